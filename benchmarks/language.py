"""Language model: streams of characters or words, embedding 256, one LSTM 256, the embedding again as softmax.

The twin in PyTorch reads the same windows, carries its state from window to window, and has the same full softmax over
characters, or over 10,000 words. `generate` continues a text at batch 1, in graph.
"""

from benchmarks import epoch

PEERS = ("zoo", "torch")
UNITS, DROPOUT, GENERATED = 256, 0.2, 200


def cases(quick: bool) -> list[dict]:
    return [{"unit": "characters", "data": "language"}, {"unit": "tokens", "data": "language_words"}]


def goals(case: dict, peer: str) -> dict[str, float]:
    return {"train": 1.2}


def own(case: dict, peers: dict) -> list[tuple]:
    """Compares the tokens that are generated in a second with what a reader needs."""
    speed = peers["zoo"]["generate"]["tokens_per_second"]
    return [("generate, batch 1", f"{speed:,.0f} tok/s", "200 tok/s", speed / 200, "≥ 1")]


def calls(peer: str, case: dict) -> dict:
    if peer == "torch":
        return epoch.torch_twin(case, _model)
    from zoo.tasks import language_model

    changes = {"unit": case["unit"], "vocabulary": 10_000, "embedding": UNITS, "units": UNITS, "dropout": DROPOUT}
    changes |= {"streams": 32, "bptt": 64, "variational": False, "limit": 6_000}
    zoo = epoch.Zoo(case, language_model, changes)
    service = language_model.serve(zoo.cfg, zoo.codec, zoo.model)

    def generate() -> int:
        import tensorflow as tf

        service(prompt=tf.constant(["The "]), length=tf.constant([GENERATED]), seed=tf.constant([0]))
        return GENERATED

    return {"train": zoo.train, "generate": generate}


def _model(torch, numbers):
    nn = torch.nn
    embedding = nn.Embedding(numbers["size/tokens"], UNITS)
    nn.init.normal_(embedding.weight, std=UNITS**-0.5)
    lstm, bias = nn.LSTM(UNITS, UNITS, batch_first=True), nn.Parameter(torch.zeros(numbers["size/tokens"]))
    carried = [None]

    def loss(batch):
        before = None if batch["fresh"].any() else carried[0]
        vectors = nn.functional.dropout(embedding(batch["tokens"].long()), DROPOUT)
        steps, after = lstm(vectors, before)
        carried[0] = tuple(state.detach() for state in after)
        logits = nn.functional.linear(nn.functional.dropout(steps, DROPOUT), embedding.weight, bias)
        each = nn.functional.cross_entropy(logits.flatten(0, 1), batch["y"].long().flatten(), reduction="none")
        weight = batch["weight"].flatten()
        return (each * weight).sum() / weight.sum()

    return [*embedding.parameters(), *lstm.parameters(), bias], loss
