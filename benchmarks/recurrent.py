"""Times the recurrent layers: the zoo against plain Keras and PyTorch, training step and inference.

    python benchmarks/recurrent.py --quick                                   # two shapes, units 64, minutes
    python benchmarks/recurrent.py --torch-python OTHER_VENV/bin/python       # all shapes, with PyTorch

Every peer runs in its own process with two threads; the parent lets them take turns, one timed round each, so that a
machine's slow minute hits all alike. Warm-up (tracing, compiling) is apart. Work: float32[B, T, 128] → layer, sequences
out; a training step is outputs, a weighted sum, and gradients to input and weights. Writes medians and spread as JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

SHAPES = [(128, 64), (32, 256), (20, 400), (80, 400)]
WIDTH = 128


def tensorflow_calls(peer: str, case: dict, threads: int) -> tuple:
    """A training step and an inference call of the zoo's or Keras' layer."""
    import keras
    import tensorflow as tf

    if peer != "keras":
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
        from zoo.layers import recurrent

        recurrent.set_jit(peer == "zoo-jit")
    module = keras.layers if peer == "keras" else recurrent
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    layer = getattr(module, case["cell"])(case["units"], return_sequences=True)
    layer = module.Bidirectional(layer) if case["bi"] else layer
    x = tf.random.normal((case["batch"], case["length"], WIDTH))
    weights = tf.random.normal((case["batch"], case["length"], case["units"] * (1 + case["bi"])))
    layer.build(x.shape)

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) * weights)
        return tape.gradient(loss, [x, *(w.value for w in layer.trainable_weights)])

    infer = tf.function(lambda: layer(x, training=False))
    return lambda: [g.numpy() for g in train()], lambda: infer().numpy()


def torch_calls(case: dict, threads: int) -> tuple:
    """The same of `torch.nn`."""
    import torch

    torch.set_num_threads(threads)
    layer = getattr(torch.nn, case["cell"])(WIDTH, case["units"], batch_first=True, bidirectional=case["bi"])
    x = torch.randn(case["batch"], case["length"], WIDTH, requires_grad=True)
    weights = torch.randn(case["batch"], case["length"], case["units"] * (1 + case["bi"]))

    def train():
        layer.zero_grad()
        x.grad = None
        (layer(x)[0] * weights).sum().backward()

    def infer():
        with torch.no_grad():
            layer(x)

    return train, infer


def serve_peer(peer: str, threads: int) -> None:
    """Child process: a case per line starts one (answer: seconds of warm-up), an empty line times one round."""
    calls = ()
    for line in sys.stdin:
        start = time.perf_counter()
        if line.strip():
            case = json.loads(line)
            calls = torch_calls(case, threads) if peer == "torch" else tensorflow_calls(peer, case, threads)
            for call in calls:
                call(), call()
            reply = [time.perf_counter() - start]
        else:
            reply = []
            for call in calls:
                start = time.perf_counter()
                call()
                reply.append(time.perf_counter() - start)
        print("reply", json.dumps(reply), flush=True)


def ask(child: subprocess.Popen, line: str) -> list:
    child.stdin.write(line + "\n")
    child.stdin.flush()
    for answer in child.stdout:
        if answer.startswith("reply "):
            return json.loads(answer[6:])
    raise RuntimeError("a peer ended early; its message is above")


def summary(seconds: list[float]) -> dict:
    return {"median_ms": 1e3 * statistics.median(seconds), "min_ms": 1e3 * min(seconds), "max_ms": 1e3 * max(seconds)}


def measure(case: dict, pythons: dict, rounds: int, threads: int) -> dict:
    """Median, least and greatest milliseconds of every peer on one case."""
    settings = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": str(threads)}
    environment = {**os.environ, **settings}
    children = {}
    try:
        for peer, python in pythons.items():
            command = [python, __file__, "--peer", peer, "--threads", str(threads)]
            children[peer] = subprocess.Popen(
                command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        warm_up = {peer: ask(child, json.dumps(case))[0] for peer, child in children.items()}
        times = {peer: [] for peer in children}
        for _ in range(rounds):
            for peer, child in children.items():
                times[peer].append(ask(child, ""))
    finally:
        for child in children.values():
            child.stdin.close()
            child.wait()
    result = {}
    for peer, pairs in times.items():
        train, infer = zip(*pairs, strict=True)
        result[peer] = {"warm_up_s": warm_up[peer], "train": summary(train), "inference": summary(infer)}
    return {**case, "peers": result}


def ratios(record: dict) -> str:
    """How many times faster than each peer the zoo's median is, for printing."""
    parts = []
    peers = record["peers"]
    for kind in ("train", "inference"):
        for zoo in (p for p in peers if p.startswith("zoo")):
            for peer in (p for p in peers if not p.startswith("zoo")):
                ratio = peers[peer][kind]["median_ms"] / peers[zoo][kind]["median_ms"]
                parts.append(f"{kind} {zoo}/{peer} {ratio:.2f}")
    return ", ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="interpreter that has PyTorch; without it PyTorch is left out")
    parser.add_argument("--quick", action="store_true", help="bidirectional, units 64, first and third shape")
    parser.add_argument("--cells", default="LSTM,GRU")
    parser.add_argument("--units", default="64,128,256")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--to", default="benchmarks/recurrent.json")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        return serve_peer(args.peer, args.threads)
    pythons = {"zoo": sys.executable, "zoo-jit": sys.executable, "keras": sys.executable}
    if args.torch_python:
        pythons["torch"] = args.torch_python
    all_units = [64] if args.quick else [int(u) for u in args.units.split(",")]
    records = []
    for units in all_units:
        for cell in args.cells.split(","):
            for bi in [True] if args.quick else [True, False]:
                for batch, length in SHAPES[::2][:2] if args.quick else SHAPES:
                    case = {"cell": cell, "bi": bi, "units": units, "batch": batch, "length": length}
                    record = measure(case, pythons, args.rounds, args.threads)
                    records.append(record)
                    name = f"{cell} {'bi' if bi else 'uni'} {batch}x{length} units {units}"
                    print(f"{name}: {ratios(record)}", flush=True)
                    Path(args.to).write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
