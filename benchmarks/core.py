"""One recurrent layer: float32[B, T, 128] → outputs. A training step adds a weighted sum and all gradients.

`zoo --jit` compiles the layer's loop with XLA, as long runs do. `zoo` does not, like short runs and servers.
The LSTM is the zoo's weak point. In one direction, PyTorch's LSTM is a single oneDNN operation. Exported graphs may not
use XLA, and outside XLA TensorFlow's wheels compute tanh without AVX2. Three changes made it no faster: one product of
input and state in every step (TensorFlow then fuses product, bias and tanh into one oneDNN operation), the input's
product step by step, and fewer and larger operations in a step.
"""

WIDTH = 128
SHAPES = [(128, 64), (32, 256), (20, 400), (80, 400)]


def cases(quick: bool) -> list[dict]:
    names = ("cell", "bidirectional", "units", "batch", "length")
    shapes, all_units = (SHAPES[::2], [64]) if quick else (SHAPES, [64, 128, 256])
    return [
        dict(zip(names, (cell, both, units, *shape), strict=True))
        for units in all_units
        for cell in ("LSTM", "GRU")
        for both in (True, False)
        for shape in shapes
    ]


GOALS = """training ≥ 1.2 times PyTorch's speed (≥ 1.0 with 256 units) and ≥ 1.0 times Keras' (≥ 2.0 at 20 × 400);
inference ≥ 1.2 times both; with 256 units, matrix products reach half of the machine's peak."""


def goals(case: dict, peer: str) -> dict[str, float]:
    if peer == "torch":
        return {"train": 1.2 if case["units"] <= 128 else 1.0, "inference": 1.2}
    return {"train": 2.0 if (case["batch"], case["length"]) == (20, 400) else 1.0, "inference": 1.2}


def own(case: dict, peers: dict) -> list[tuple]:
    """The layer's rate of matrix products as a share of the machine's peak, which is measured in turn with the rest."""
    gates = {"LSTM": 4, "GRU": 3}[case["cell"]] * case["units"]
    product = 2 * case["batch"] * case["length"] * (WIDTH + case["units"]) * gates * (1 + case["bidirectional"])
    peak = 2 * SIDE**3 / peers["zoo"]["peak"]["min_s"] / 1e9
    lines = []
    for ours in ("zoo", "zoo --jit"):
        reached = 3 * product / peers[ours]["train"]["median_s"] / 1e9  # backwards: to the input, and to the weights
        rates = f"{ours} {reached:,.0f} GFLOP/s", f"peak {peak:,.0f} GFLOP/s"
        lines.append(("matrix products", *rates, reached / peak, "≥ 0.5" if case["units"] == 256 else "–"))
    return lines


PEERS = ("zoo", "zoo --jit", "keras", "torch")
SIDE = 2048


def work(case: dict) -> dict[str, int]:
    """Tokens of one round."""
    return dict.fromkeys(("train", "inference"), case["batch"] * case["length"])


def calls(peer: str, case: dict) -> dict:
    """The timed calls by name."""
    return _torch(case) if peer == "torch" else _keras(peer, case)


def _keras(peer, case):
    import keras
    import tensorflow as tf

    from zoo.layers import recurrent
    from zoo.training import devices

    if peer != "keras":
        devices.prepare(precision="float32", seed=0)
    module = keras.layers if peer == "keras" else recurrent
    layer = getattr(module, case["cell"])(case["units"], return_sequences=True)
    layer = module.Bidirectional(layer) if case["bidirectional"] else layer
    if peer == "zoo --jit":
        recurrent.compile_loops(layer, True, inference=True)
    x = tf.random.normal((case["batch"], case["length"], WIDTH))
    weights = tf.random.normal((case["batch"], case["length"], case["units"] * (1 + case["bidirectional"])))
    layer.build(x.shape)

    @tf.function(autograph=False)
    def train():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) * weights)
        return tape.gradient(loss, [x, *(w.value for w in layer.trainable_weights)])

    infer = tf.function(lambda: layer(x, training=False), autograph=False)
    calls = {"train": lambda: [g.numpy() for g in train()], "inference": lambda: infer().numpy()}
    if peer == "zoo":
        square = tf.random.normal((SIDE, SIDE))
        calls["peak"] = lambda: (square @ square).numpy()
    return calls


def _torch(case):
    import torch

    layer = getattr(torch.nn, case["cell"])(WIDTH, case["units"], batch_first=True, bidirectional=case["bidirectional"])
    x = torch.randn(case["batch"], case["length"], WIDTH, requires_grad=True)
    weights = torch.randn(case["batch"], case["length"], case["units"] * (1 + case["bidirectional"]))

    def train():
        layer.zero_grad()
        x.grad = None
        (layer(x)[0] * weights).sum().backward()

    def infer():
        with torch.no_grad():
            layer(x)

    return {"train": train, "inference": infer}
