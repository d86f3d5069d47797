"""Compares an accelerator with the CPU: results and speed of every task, with Keras on TensorFlow or JAX.

    make gpu-check
    KERAS_BACKEND=jax python -m benchmarks.gpu_check      # needs Keras and JAX only

Each task's model, with small generated batches and the same weights, once on the CPU and once on the accelerator, in
processes of their own: outputs, gradients, 60 steps of training, and the same in half precision. Then the time of a
training step of one LSTM, beside Keras' own layer and PyTorch's where that is installed. Prints a table; ends with
status 1 if an answer differs, and with 0 without an accelerator.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

import numpy as np

STEPS = 60
ROWS, LENGTH, SIZE = 16, 12, 40  # of a batch, and ids below SIZE
EXACT = {"dropout": 0.0, "word_dropout": 0.0, "units": 32, "embedding": 32, "learning_rate": 5e-3, "warmup": 0.0}
HALF = ("mixed_bfloat16", "mixed_float16")
TOLERANCE = {"outputs": 1e-3, "gradients": 1e-2, "training": 0.05, **dict.fromkeys(HALF, 0.15)}
BATCH, UNITS = (64, 200), 256  # of the timed LSTM: rows and steps
PLATFORM = {"jax": {"JAX_PLATFORMS": "cpu"}, "tensorflow": {"CUDA_VISIBLE_DEVICES": "-1"}}


def codec() -> types.SimpleNamespace:
    """Takes the place of a task's codec: sizes alone, because there is no text here."""

    class Network:
        def encoder(self, finetune: bool):
            from zoo.layers import images

            return images.Cnn("small", size=32)

    class Ids(tuple):
        unknown = 1

    ids = Ids(range(SIZE))
    counts = types.SimpleNamespace(counts=np.arange(SIZE).tolist())
    parts = dict.fromkeys(("words", "characters", "affixes", "tags", "source", "target"), ids)
    return types.SimpleNamespace(**parts, labels=("no", "yes"), intents=("", "yes"), counts=counts, network=Network())


def data(model) -> tuple:
    """Inputs of the kinds that `model` has, right-padded; targets that can be read off them; and their weights."""
    import keras

    draw = np.random.default_rng(0)
    lengths = draw.integers(3, LENGTH + 1, ROWS)
    keep = np.arange(LENGTH) < lengths[:, None]
    x = {}
    for spec in model.inputs:
        shape = [ROWS, *(LENGTH if size is None else size for size in spec.shape[1:])]
        if "int" in spec.dtype:
            ids = draw.integers(4, SIZE, shape)
            x[spec.name] = np.where(keep.reshape(*keep.shape, *[1] * (len(shape) - 2)), ids, 0).astype("int32")
        else:
            x[spec.name] = draw.random(shape).astype("float32") * 255
    sequences = [value for value in x.values() if value.dtype == np.int32 and value.ndim == 2]
    first = x.get("target_in", sequences[0])
    x = x if len(x) > 1 else next(iter(x.values()))

    def target(output):
        return first[:, 0] % 2 if len(output.shape) == 2 else np.where(keep, first, 0)

    def weight(output):
        return np.ones(ROWS, "float32") if len(output.shape) == 2 else keep.astype("float32")

    return x, keras.tree.map_structure(target, model.output), keras.tree.map_structure(weight, model.output)


def load_tasks() -> dict:
    """The tasks by name. Packages that their files import and their models do not use may be missing."""
    from zoo import task as tasks

    absent = [name for name in ("tensorflow", "tomli_w") if not importlib.util.find_spec(name)]
    sys.modules.update({name: types.ModuleType(name) for name in absent})
    found = {name: tasks.get(name) for name in tasks.summaries()}
    for name in absent:  # so that Keras does not take it for the real one
        del sys.modules[name]
    return found


def results(folder: Path, only: str | None) -> None:
    """Writes the results of this process's device, one .npz for each task."""
    import keras

    from zoo.training import devices

    tasks = load_tasks()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(False)
    else:
        import jax

        jax.config.update("jax_default_matmul_precision", "highest")
    for name, task in tasks.items():
        if only and name != only:
            continue
        found = {}
        exact = {key: value for key, value in EXACT.items() if key in task.Config.__dataclass_fields__}
        for precision in ("float32", *HALF):
            devices.prepare(precision=precision, seed=0)
            cfg = task.Config(**exact, precision=precision)
            model = task.model(cfg, codec())
            draw = np.random.default_rng(1)
            weights = [draw.normal(0, 0.1, w.shape).astype("float32") + (w.name == "gamma") for w in model.weights]
            model.set_weights(weights)
            x, y, weight = data(model)
            if precision == "float32":
                outputs = keras.tree.flatten(model.predict_on_batch(x))
                found["outputs"] = np.concatenate([np.ravel(part).astype("float32") for part in outputs])
                step = keras.Model(model.input, model.output)
                step.compile(keras.optimizers.SGD(1.0), model.loss)
                step.train_on_batch(x, y, sample_weight=weight)
                after = model.get_weights()
                found["gradients"] = np.concatenate([(b - a).ravel() for b, a in zip(weights, after, strict=True)])
                model.set_weights(weights)
            losses = [float(model.train_on_batch(x, y, sample_weight=weight)[0]) for _ in range(STEPS)]
            found["training" if precision == "float32" else precision] = np.array(losses)
        np.savez(folder / f"{name}.npz", **found)
    (folder / "about.json").write_text(json.dumps({"device": str(devices.describe("float32")), **kernels()}))


def kernels() -> dict[str, str]:
    """The recurrent kernel of a masked LSTM on this device, found by its name in the compiled program."""
    import keras

    from zoo import layers

    layer, x = layers.LSTM(UNITS, return_sequences=True), np.zeros((2, 3, 4), "float32")
    mask = np.ones((2, 3), bool)
    layer(x, mask=mask)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        function = tf.function(lambda x: layer(x, mask=mask)).get_concrete_function(tf.TensorSpec(x.shape))
        definition = function.graph.as_graph_def()
        nodes = [*definition.node, *(node for part in definition.library.function for node in part.node_def)]
        names = " ".join(node.op for node in nodes)
    else:
        import jax

        names = jax.jit(lambda x: layer(x, mask=mask)).lower(x).compile().as_text()
    return {"recurrence": "cuDNN" if "cudnn" in names.lower().replace("cudnn$", "") else "no cuDNN"}


def milliseconds() -> dict[str, float]:
    """Of one training step of an LSTM: the zoo's, Keras' and PyTorch's; medians of 20."""
    import keras

    from zoo import layers

    x = np.random.default_rng(0).normal(size=(*BATCH, UNITS)).astype("float32")
    y = np.zeros((*BATCH, UNITS), "float32")
    took = {}
    for name, layer in (("zoo", layers.LSTM), ("Keras", keras.layers.LSTM)):
        model = keras.Sequential([keras.Input((None, UNITS)), layer(UNITS, return_sequences=True)])
        model.compile("sgd", "mse")
        took[name] = median(lambda model=model: model.train_on_batch(x, y))
    if importlib.util.find_spec("torch"):
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        lstm = torch.nn.LSTM(UNITS, UNITS, batch_first=True).to(device)
        optimizer = torch.optim.SGD(lstm.parameters(), 0.01)

        def step():
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(lstm(torch.from_numpy(x).to(device))[0], torch.from_numpy(y).to(device))
            loss.backward()
            optimizer.step()
            return loss.item()  # waits for the device

        took["PyTorch"] = median(step)
    return took


def median(step) -> float:
    seconds = []
    for _ in range(25):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return 1e3 * float(np.median(seconds[5:]))


def distance(what: str, cpu: np.ndarray, other: np.ndarray) -> float:
    """Relative: of arrays by their norms, of trainings by the mean of the last ten losses."""
    if what in ("outputs", "gradients"):
        return float(np.linalg.norm(cpu - other) / np.linalg.norm(cpu))
    return float(abs(cpu[-10:].mean() - other[-10:].mean()) / max(cpu[-10:].mean(), 0.1))


def compare(cpu: Path, other: Path) -> int:
    """Prints the table. Returns how many answers differ by more than they may."""
    wrong = 0
    print("| task | " + " | ".join(TOLERANCE) + " |\n|---" + "|---" * len(TOLERANCE) + "|")
    for path in sorted(cpu.glob("*.npz")):
        one, two = np.load(path), np.load(other / path.name)
        cells = []
        for what, limit in TOLERANCE.items():
            found = distance(what, one["training" if what in HALF else what], two[what])
            wrong += not found <= limit
            cells.append(f"{found:.1e}" + ("" if found <= limit else f" **> {limit}**"))
        print(f"| {path.stem} | {' | '.join(cells)} |")
    print("\nRelative differences to the CPU in float32.")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without", action="store_true", help="compare the CPU with itself where there is no other")
    parser.add_argument("--only", metavar="TASK", help="instead of all tasks")
    parser.add_argument("--results", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.results:
        results(options.results, options.only)
        return 0
    import keras

    backend = keras.backend.backend()
    found = [name for name in keras.distribution.list_devices() if not name.lower().startswith("cpu")]
    if not found and not options.without:
        print(f"no accelerator: Keras on {backend} sees the CPU alone")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        for side, environment in (("cpu", PLATFORM[backend]), ("other", {})):
            path = Path(folder, side)
            path.mkdir()
            command = [sys.executable, "-m", "benchmarks.gpu_check", "--results", str(path)]
            command += ["--only", options.only] if options.only else []
            subprocess.run(command, env=os.environ | environment, check=True, cwd=Path(__file__).parent.parent)
        about = json.loads(Path(folder, "other", "about.json").read_text())
        print(f"{about['device']}; a masked LSTM runs on {about['recurrence']}\n")
        wrong = compare(Path(folder, "cpu"), Path(folder, "other"))
    took = milliseconds()
    print(f"A training step of LSTM({UNITS}), {BATCH[0]} × {BATCH[1]} steps: ", end="")
    print(", ".join(f"{name} {ms:.1f} ms" for name, ms in took.items()))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
