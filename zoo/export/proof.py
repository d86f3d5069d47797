"""Does an exported model answer as the run does, in the loader of TF Serving, on a CPU?"""

import re
from pathlib import Path

import numpy as np

from zoo.answers.service import Arrays
from zoo.export import loader

TOLERANCE = 1e-5
UNSERVABLE = re.compile("Cudnn|Xla|.*PyFunc")  # operations of a GPU, of a compiler, of Python


def prove(model_dir: Path, trials: dict[str, tuple[Arrays, Arrays]]) -> None:
    """Loads the SavedModel in `model_dir` as TF Serving does and compares its answers.

    Args:
        trials: signature → inputs and the expected outputs, by name.
    Raises:
        RuntimeError: the model cannot be loaded, has an operation that not every CPU server has, or answers otherwise.
    """
    try:
        with loader.Model(model_dir) as model:
            refused = {name for name in model.operations if UNSERVABLE.match(name)}
            refused |= {*model.without_cpu_kernel, *model.xla_functions}
            if refused:
                raise RuntimeError(f"the graph holds {', '.join(sorted(refused))}, which not every CPU server has")
            for signature, (inputs, expected) in trials.items():
                compare(signature, model(signature, **inputs), expected)
    except loader.Refused as error:
        raise RuntimeError(f"a server cannot answer with the exported model: {error}") from error


def close(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Whether floats differ by at most 1e-5, or by 1e-5 of the largest one in their row.

    The perplexity of a text may be a thousand, and a forecast near 0 comes from a history of thousands. NaN equals NaN:
    a missing value may be part of a state.

    Args:
        got, want: float[B, …].
    Returns:
        bool[B, …].
    """
    size = np.abs(np.where(np.isfinite(want), want, 0.0))
    if want.ndim > 1:
        size = size.max(axis=tuple(range(1, want.ndim)), keepdims=True, initial=0.0)
    limit = TOLERANCE * np.maximum(size, 1.0)
    return np.isclose(got, want, rtol=0.0, atol=limit, equal_nan=True)


def compare(signature: str, answers: Arrays, expected: Arrays) -> None:
    """Raises RuntimeError unless strings and integers are equal and floats are close."""
    for name, want in expected.items():
        got = answers[name]
        numbers = want.dtype.kind == "f" and got.shape == want.shape
        if not (np.all(close(got, want)) if numbers else np.array_equal(got, want)):
            shown = [str(array.tolist())[:200] for array in (got, want)]
            raise RuntimeError(
                f"the exported model's {name} ({signature}) differs from predict's: {shown[0]} and {shown[1]}"
            )
