"""Part-of-speech tagging on English EWT: word 100 + character CNN 150, two BiLSTM 128, a softmax per word.

The tagger's recipe without its CRF and affixes, which is the model that a PyTorch user would write. The twin reads
packed or padded sequences.
"""

import itertools
from functools import partial

from benchmarks import epoch

own = epoch.own
PEERS = ("zoo", "torch", "torch padded")
DROPOUT, WIDTHS, FILTERS = 0.45, (2, 3, 4), 50


def cases(quick: bool) -> list[dict]:
    return [{"recipe": "tasks/pos_tagging/en_ewt.toml", "data": "pos"}]


def goals(case: dict, peer: str) -> dict[str, float]:
    return {"train": 1.2}


def calls(peer: str, case: dict) -> dict:
    if peer.startswith("torch"):
        return epoch.torch_twin(case, partial(_model, padded=peer == "torch padded"))
    from zoo.tasks import pos_tagging

    changes = {"output": "softmax", "affixes": 0, "average_weights": 0.0, "word_dropout": 0.0}
    return epoch.Zoo(case, pos_tagging, changes).calls()


def _model(torch, numbers, *, padded):
    nn = torch.nn
    embedding, letters = nn.Embedding(numbers["size/words"], 100), nn.Embedding(numbers["size/characters"], 32)
    convolutions = nn.ModuleList(nn.Conv1d(32, FILTERS, width, bias=False) for width in WIDTHS)
    sizes = (100 + FILTERS * len(WIDTHS), 256)
    weights, layers = zip(*(epoch.both_ways(torch, size, 128, padded=padded) for size in sizes), strict=True)
    output = nn.Linear(256, numbers["tags"])

    def spelling(characters):
        rows = characters.flatten(0, 1)
        seen = (letters(rows) * (rows != 0)[:, :, None]).transpose(1, 2)
        room = max(WIDTHS) - 1
        seen = nn.functional.pad(seen, (room, room))
        features = torch.cat([convolution(seen).amax(2) for convolution in convolutions], 1)
        return features.relu().unflatten(0, characters.shape[:2])

    def loss(batch):
        words, weight = batch["words"].long(), batch["weight"]
        keep = words != 0
        steps = torch.cat([embedding(words), spelling(batch["characters"].long())], 2)
        for layer in layers:
            steps = layer(epoch.drop_features(torch, steps, DROPOUT), keep)
        scores = output(nn.functional.dropout(steps, DROPOUT))
        each = nn.functional.cross_entropy(scores.flatten(0, 1), batch["y"].long().flatten(), reduction="none")
        return (each * weight.flatten()).sum() / weight.sum()

    modules = (embedding, letters, convolutions, output)
    return [*itertools.chain(*weights, *(module.parameters() for module in modules))], loss
