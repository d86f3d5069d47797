"""One epoch of a task, in parts: the zoo trains by its own recipe, twins in PyTorch by the same plan of batches.

The zoo reads through its own input pipeline; a twin is given the batches ready. Every peer trains part after part, and
their real tokens per second are compared. The parts before the first measured one are the warm-up.
"""

import dataclasses
import math
from pathlib import Path

PARTS = 8


class Zoo:
    """A task that trains an epoch in `parts` parts, or in parts of `steps` steps.

    Leaves the batches for the twins in case["folder"] if there is one.
    """

    def __init__(self, case: dict, task, changes: dict, *, parts: int = PARTS, steps: int | None = None):
        import numpy as np

        from zoo import task as tasks
        from zoo.data import batching, cache
        from zoo.layers import recurrent
        from zoo.run import load_splits
        from zoo.training import callbacks, devices, optimizers

        recipe = task.Config.from_toml(case["recipe"]) if "recipe" in case else task.Config()
        self.cfg = dataclasses.replace(recipe, data=case["data"], seed=0, **changes)
        devices.prepare(precision="float32", seed=0)
        splits = load_splits(task, self.cfg)
        self.codec = codec = task.codec(self.cfg, splits["train"])
        train, validation = (
            cache.encode(splits[name], lambda batch: task.encode(self.cfg, codec, batch))
            for name in ("train", "validation")
        )
        plan = tasks.optional(task, "plan", batching.bucketed)
        self.batches = plan(self.cfg, train, seed=0, longest=validation.lengths.max(axis=0))
        self.validation = self.batches.like(validation)
        self.model = task.model(self.cfg, codec)
        self.callbacks = [callbacks.KeepMemory()]  # as in a run
        compiled = devices.compiles_loops(self.cfg.jit, self.batches.planned, self.cfg.epochs)
        recurrent.compile_loops(self.model, compiled)
        optimizers.plan(self.model, self.cfg, len(self.batches))
        self.real = [
            int(
                batch.lengths.sum()
                if isinstance(batch, batching.Window)
                else train.lengths[batch.rows[batch.rows >= 0], 0].sum()
            )
            for batch in self.batches.planned
        ]
        self.size = steps or math.ceil(len(self.batches) / parts)
        self.at = {"train": 0, "read": 0}
        if "folder" in case:
            numbers = {"real": self.real, "tags": self.model.output_shape[-1]}
            names = (name for name in ("words", "characters", "source", "tokens") if hasattr(codec, name))
            numbers |= {f"size/{name}": len(getattr(codec, name)) for name in names}
            numbers |= {f"width/{x.name}": x.shape[-1] for x in self.model.inputs if len(x.shape) == 3}
            for split, batches in (("batches", self.batches), ("validation", self.validation)):
                arrays: dict = {"count": len(batches)} | numbers
                for i in range(len(batches)):
                    x, arrays[f"{i}/y"], arrays[f"{i}/weight"] = batches[i]
                    x = x if isinstance(x, dict) else {"words": x}
                    arrays |= {f"{i}/{name}": value for name, value in x.items()}
                np.savez(Path(case["folder"]) / f"{split}.npz", **arrays)

    def _next(self, kind: str) -> tuple[int, int]:
        start = self.at[kind] % (self.size * math.ceil(len(self.batches) / self.size))
        self.at[kind] += self.size
        return start, min(self.size, len(self.batches) - start)

    def train(self) -> int:
        """Trains the next part; its real tokens."""
        start, count = self._next("train")
        data = self.batches.for_training(0, start)
        self.model.fit(data, steps_per_epoch=count, epochs=1, shuffle=False, verbose=0, callbacks=self.callbacks)
        return sum(self.real[start : start + count])

    def read(self) -> int:
        """Reads the next part without training."""
        start, count = self._next("read")
        for _ in self.batches.for_training(0, start).take(count):
            pass
        return sum(self.real[start : start + count])

    def calls(self) -> dict:
        return {"train": self.train, "read": self.read}


def own(case: dict, peers: dict) -> list[tuple]:
    """Compares the zoo's input pipeline alone with its training."""
    read, train = (peers["zoo"][call]["tokens_per_second"] for call in ("read", "train"))
    return [("input pipeline alone", f"{read:,.0f} tok/s", f"its training {train:,.0f} tok/s", read / train, "≥ 5")]


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


def both_ways(torch, features: int, units: int, *, padded: bool):
    """An LSTM in both directions that reads the real steps alone: its parameters, and run(vectors, keep) → steps.

    Packed, PyTorch computes it step by step on a CPU. Padded, each direction is one oneDNN operation; the steps of each
    row are turned around before and after the second one, so that padding stays on the right. Both give the same, and
    0 on padding.
    """
    if not padded:
        rnn = torch.nn.LSTM(features, units, batch_first=True, bidirectional=True)

        def packed(vectors, keep):
            pack = torch.nn.utils.rnn.pack_padded_sequence(vectors, keep.sum(1), batch_first=True, enforce_sorted=False)
            return torch.nn.utils.rnn.pad_packed_sequence(rnn(pack)[0], batch_first=True, total_length=keep.shape[1])[0]

        return list(rnn.parameters()), packed

    onward, back = (torch.nn.LSTM(features, units, batch_first=True) for _ in range(2))

    def run(vectors, keep):
        places = torch.arange(keep.shape[1])
        turned = torch.where(keep, keep.sum(1, keepdim=True) - 1 - places, places)[:, :, None]  # [B, T, 1]

        def turn(steps):
            return steps.gather(1, turned.expand_as(steps))

        return torch.cat([onward(vectors)[0], turn(back(turn(vectors))[0])], 2) * keep[:, :, None]

    return [*onward.parameters(), *back.parameters()], run


def drop_features(torch, vectors, rate: float):
    """The same features at all steps of a row."""
    return vectors * torch.nn.functional.dropout(torch.ones_like(vectors[:, :1]), rate)
