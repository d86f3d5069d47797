"""One epoch of a task, in parts: the zoo trains by its own recipe, twins in PyTorch by the same plan of batches.

The zoo reads through its own input pipeline; a twin is given the batches ready. Every peer trains part after part, and
what is compared is real tokens per second. The parts before the first measured one are the warm-up.
"""

import dataclasses
import math
from pathlib import Path

PARTS = 8
PEERS = {"imdb": ("zoo", "zoo --jit", "torch", "keras"), "pos": ("zoo", "zoo --jit", "torch")}


def zoo(peer: str, case: dict, task, changes: dict) -> dict:
    """Trains a part; reads a part without training. Leaves the batches for the twins in case["folder"]."""
    import numpy as np

    from zoo import devices
    from zoo.data import batching, cache

    cfg = dataclasses.replace(task.config.from_toml(case["recipe"]), data=case["data"], seed=0, **changes)
    devices.prepare(precision="float32", jit=peer == "zoo --jit", seed=0)
    train = task.splits(cfg)["train"]
    codec = task.codec(cfg, train)
    encoded = cache.encode(train, lambda batch: task.encode(cfg, codec, batch))
    buckets = batching.choose_buckets(encoded.lengths, batch_tokens=cfg.batch_tokens, shapes=cfg.shapes)
    batches = batching.Batches(encoded, buckets, seed=0)
    model = task.model(cfg, codec)
    real = [int(encoded.lengths[batch.rows[batch.rows >= 0], 0].sum()) for batch in batches.planned]
    folder = Path(case["folder"])
    if peer == "zoo":
        arrays: dict = {"count": len(batches), "real": real, "tags": model.output_shape[-1]}
        arrays |= {
            f"size/{name}": len(getattr(codec, name)) for name in ("words", "characters") if hasattr(codec, name)
        }
        for i in range(len(batches)):
            x, arrays[f"{i}/y"], arrays[f"{i}/weight"] = batches[i]
            arrays |= {f"{i}/{name}": value for name, value in (x if isinstance(x, dict) else {"words": x}).items()}
        np.savez(folder / "batches.npz", **arrays)
    size, at = math.ceil(len(batches) / PARTS), {"train": 0, "read": 0}

    def part(kind):
        start = at[kind] % (size * PARTS)
        at[kind] += size
        return start, min(size, len(batches) - start)

    def train_part():
        start, count = part("train")
        model.fit(batches.for_training(0, start), steps_per_epoch=count, epochs=1, shuffle=False, verbose=0)
        return sum(real[start : start + count])

    def read_part():
        start, count = part("read")
        for _ in batches.for_training(0, start).take(count):
            pass
        return sum(real[start : start + count])

    return {"train": train_part, "read": read_part}


def torch_twin(case: dict, make) -> dict:
    """make(torch, numbers) → parameters and loss(batch) of the same model; Adam, clipping as in the zoo."""
    import numpy as np
    import torch

    torch.manual_seed(0)
    with np.load(Path(case["folder"]) / "batches.npz") as file:
        arrays = dict(file)
    count, real = int(arrays["count"]), arrays["real"]
    tensors = {name: torch.from_numpy(value) for name, value in arrays.items() if name[0].isdigit()}
    batches = [{} for _ in range(count)]
    for name, value in tensors.items():
        index, key = name.split("/", 1)
        batches[int(index)][key] = value
    parameters, loss_of = make(torch, {name: int(v) for name, v in arrays.items() if v.ndim == 0})
    optimizer = torch.optim.Adam(parameters, 3e-3)
    size, at = math.ceil(count / PARTS), [0]

    def train_part():
        start = at[0] % (size * PARTS)
        at[0] += size
        for batch in batches[start : start + size]:
            optimizer.zero_grad()
            loss_of(batch).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
        return int(real[start : start + size].sum())

    return {"train": train_part}


def packed(torch, rnn, vectors, keep):
    """Runs `rnn` over the real steps alone; what is returned is 0 on padding."""
    pack = torch.nn.utils.rnn.pack_padded_sequence(vectors, keep.sum(1), batch_first=True, enforce_sorted=False)
    return torch.nn.utils.rnn.pad_packed_sequence(rnn(pack)[0], batch_first=True, total_length=keep.shape[1])[0]


def drop_features(torch, vectors, rate: float):
    """The same features at all steps of a row."""
    return vectors * torch.nn.functional.dropout(torch.ones_like(vectors[:, :1]), rate)
