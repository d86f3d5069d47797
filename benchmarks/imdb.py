"""Sentiment on IMDB: embedding 128, BiLSTM 64, maximum and mean over time.

The peers are the same model in PyTorch, on packed and on padded sequences, and the recipe of keras.io.
"""

import math
from functools import partial
from pathlib import Path

from benchmarks import epoch

own = epoch.own
PEERS = ("zoo", "torch", "torch padded", "keras")


def cases(quick: bool) -> list[dict]:
    return [{"recipe": "tasks/sentiment/imdb.toml", "data": "imdb"}]


def goals(case: dict, peer: str) -> dict[str, float]:
    return {"train": 2.5 if peer == "keras" else 1.2}


def calls(peer: str, case: dict) -> dict:
    if peer.startswith("torch"):
        return epoch.torch_twin(case, partial(_model, padded=peer == "torch padded"))
    if peer == "keras":
        return _recipe(case)
    from zoo.tasks import sentiment

    return epoch.Zoo(case, sentiment, {}).calls()


def _model(torch, numbers, *, padded):
    nn = torch.nn
    embedding = nn.Embedding(numbers["size/words"], 128)
    weights, rnn = epoch.both_ways(torch, 128, 64, padded=padded)
    output = nn.Linear(4 * 64, numbers["tags"])

    def loss(batch):
        words, weight = batch["words"].long(), batch["weight"]
        keep = words != 0
        steps = rnn(epoch.drop_features(torch, embedding(words), 0.5), keep)
        mean = steps.sum(1) / keep.sum(1, keepdim=True)
        summary = torch.cat([steps.masked_fill(~keep[:, :, None], -1e4).amax(1), mean], 1)
        logits = output(nn.functional.dropout(summary, 0.5))
        each = nn.functional.cross_entropy(logits, batch["y"].long(), reduction="none")
        return (each * weight).sum() / weight.sum()

    return [*embedding.parameters(), *weights, *output.parameters()], loss


def _recipe(case):
    model, x, y, real = recipe(Path(case["folder"]))
    part, at = math.ceil(len(y) / epoch.PARTS), [0]

    def train_part():
        start = at[0] % (part * epoch.PARTS)
        at[0] += part
        fit(model, x[start : start + part], y[start : start + part])
        return sum(real[start : start + part])

    return {"train": train_part}


def fit(model, x, y) -> None:
    """One epoch in batches of 32, mixed. Given arrays, Keras would wait for tf.data's tuning thread at the end of every
    part, which no whole training does so often."""
    import tensorflow as tf

    from zoo.data.batching import untuned

    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).batch(32).prefetch(2)
    model.fit(untuned(data), verbose=0)


def recipe(folder: Path, split: str = "batches"):
    """keras.io, "Bidirectional LSTM on IMDB": 200 tokens padded on the left, no mask, two BiLSTM 64, batches of 32.

    Returns:
        the model, and the reviews of `split`: ids int[N, 200], labels int[N], real tokens of each.
    """
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    with np.load(folder / f"{split}.npz") as file:
        size = int(file["size/words"])
        reviews, labels = [], []
        for i in range(int(file["count"])):
            words, label = file[f"{i}/words"], file[f"{i}/y"]
            for row in np.flatnonzero(file[f"{i}/weight"]):
                reviews.append(words[row][words[row] > 0])
                labels.append(int(label[row]))
    inputs = keras.Input((None,), dtype="int32")
    hidden = keras.layers.Embedding(size, 128)(inputs)
    hidden = keras.layers.Bidirectional(keras.layers.LSTM(64, return_sequences=True))(hidden)
    hidden = keras.layers.Bidirectional(keras.layers.LSTM(64))(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    x = keras.utils.pad_sequences(reviews, maxlen=200)
    return model, x, np.array(labels), [min(len(review), 200) for review in reviews]
