"""Translation on Multi30k, English to German, beside a model of the same sizes in JoeyNMT.

6,000 joint pieces, tied embeddings of 512, BiGRU 2 × 256, GRU 512, Luong's general attention; once as in the zoo's
recipe and once with input feeding. JoeyNMT receives ids that are ready in memory. Its batches are random sentences, as
many as the zoo's have on average. A token here is a real token of the source. The beam searches, 5 wide, start from
text in the zoo and from ids in JoeyNMT. They run after one epoch of training and the timed part of the next, so they do
not measure quality: where a young model does not write an end, the zoo stops at twice the source's length and ten
tokens, JoeyNMT at one and a half times the longest source.
"""

import dataclasses
from pathlib import Path

from benchmarks import epoch

PEERS = ("zoo", "joeynmt")
ROUNDS, WARM_UP = 3, {"train": epoch.PARTS}
WIDTH, UNITS, SMOOTHING, DROPOUT = 512, 256, 0.1, 0.4
UNIT = {"beam 5": "sentences/s"}


def cases(quick: bool) -> list[dict]:
    feeding = (False,) if quick else (False, True)
    return [
        {"recipe": "tasks/translation/multi30k_en_de.toml", "data": "multi30k", "input_feeding": on} for on in feeding
    ]


def goals(case: dict, peer: str) -> dict[str, float]:
    return {"train": 2.5, "beam 5": 3.0}


own = epoch.own


def calls(peer: str, case: dict) -> dict:
    return _joeynmt(case) if peer == "joeynmt" else _zoo(case)


def _zoo(case):
    import numpy as np

    from zoo.run import Run, load_splits
    from zoo.tasks import translation

    changes = {"embedding": WIDTH, "units": UNITS, "average_weights": 0.0, "monitor": "val_perplexity"}
    changes |= {"attend": "input_feeding" if case["input_feeding"] else "after"}
    found = epoch.Zoo(case, translation, changes)
    cfg, codec = found.cfg, found.codec
    test = load_splits(translation, cfg)["test"]
    questions = [{"source": example["source"]} for example in test]
    _, ids = translation.framed(cfg, codec.source, np.array([question["source"] for question in questions]))
    np.savez(Path(case["folder"]) / "test.npz", ids=ids.flat_values.numpy(), lengths=ids.row_lengths().numpy())

    run = Run(translation, dataclasses.replace(cfg, beams=5), codec, found.model, Path(case["folder"]))

    def search():
        return len(run.predict(questions))

    return found.calls() | {"beam 5": search}


def _joeynmt(case):
    from types import SimpleNamespace

    import numpy as np
    import torch
    from joeynmt.batch import Batch
    from joeynmt.model import build_model
    from joeynmt.search import search as joey_search
    from joeynmt.vocabulary import Vocabulary

    torch.manual_seed(0)
    with np.load(Path(case["folder"]) / "batches.npz") as file:
        count, size = int(file["count"]), int(file["size/source"])
        pairs = []
        for i in range(count):
            source, target = file[f"{i}/source"], file[f"{i}/y"]
            real = np.flatnonzero(file[f"{i}/weight"].sum(1))
            pairs += [(source[row][source[row] > 0], target[row][target[row] > 0]) for row in real]
    with np.load(Path(case["folder"]) / "test.npz") as file:
        questions = np.split(file["ids"], np.cumsum(file["lengths"])[:-1])
    # The zoo's first ids are padding, unknown, start and end too; pieces need no names here.
    special = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "sep_token": None}
    special |= {"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3, "sep_id": None, "lang_tags": []}
    words = Vocabulary([f"piece {i}" for i in range(size - 4)], SimpleNamespace(**special))
    theirs = np.arange(size)
    theirs[[0, 1]] = special["pad_id"], special["unk_id"]
    embeddings = {"embedding_dim": WIDTH, "dropout": DROPOUT}
    encoder = {"type": "recurrent", "rnn_type": "gru", "hidden_size": UNITS, "bidirectional": True, "num_layers": 1}
    decoder = {"type": "recurrent", "rnn_type": "gru", "hidden_size": 2 * UNITS, "num_layers": 1}
    decoder |= {"hidden_dropout": DROPOUT, "attention": "luong", "init_hidden": "bridge"}
    sizes = {
        "encoder": encoder | {"embeddings": embeddings},
        "decoder": decoder | {"embeddings": embeddings, "input_feeding": case["input_feeding"]},
        "tied_embeddings": False, "tied_softmax": True,
    }  # fmt: skip
    model = build_model(sizes, src_vocab=words, trg_vocab=words)
    model.loss_function = ("crossentropy", SMOOTHING)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)

    def padded(rows):
        longest = max(map(len, rows))
        return torch.from_numpy(np.array([[*theirs[row], *[special["pad_id"]] * (longest - len(row))] for row in rows]))

    def batch_of(sources, targets=None):
        if targets is not None:
            targets = padded([np.concatenate([[special["bos_id"]], target]) for target in targets])
        return Batch(
            src=padded(sources), src_length=torch.tensor([len(row) for row in sources]), src_prompt_mask=None,
            trg=targets, trg_prompt_mask=None, indices=torch.arange(len(sources)), device=torch.device("cpu"),
            pad_index=special["pad_id"], eos_index=special["eos_id"], is_train=targets is not None,
        )  # fmt: skip

    order, at = np.random.default_rng(0).permutation(len(pairs)), [0]
    rows = round(len(pairs) / count)
    part = -(-count // epoch.PARTS) * rows
    made = {start: batch_of(*zip(*(pairs[row] for row in order[start : start + rows]), strict=True))
            for start in range(0, len(pairs), rows)}  # fmt: skip

    def train():
        model.train()
        start, tokens = at[0] % (epoch.PARTS * part), 0
        at[0] += part
        for key in range(start, min(start + part, len(pairs)), rows):
            batch = made[key]
            batch.sort_by_src_length()
            loss = batch.normalize(model(return_type="loss", **vars(batch))[0], normalization="tokens")
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            model.zero_grad()
            tokens += int(batch.src_length.sum())
        return tokens

    def search():
        model.eval()
        for start in range(0, len(questions), 64):
            batch = batch_of(questions[start : start + 64])
            batch.sort_by_src_length()
            joey_search(model, batch, max_output_length=-1, beam_size=5, beam_alpha=1.0)
        return len(questions)

    return {"train": train, "beam 5": search}
