"""`python -m zoo`: the tasks, one line each. Answers without loading TensorFlow."""

import ast
import importlib.util
import pkgutil
import sys
from itertools import islice
from pathlib import Path

from zoo import __version__, tasks
from zoo.errors import InputError


def summaries() -> dict[str, str]:
    """Task name → first line of its module's docstring; read from the source, so that nothing is run."""
    found = {}
    for module in pkgutil.iter_modules(tasks.__path__):
        spec = importlib.util.find_spec(f"zoo.tasks.{module.name}")
        if not module.name.startswith("_") and spec and spec.origin:
            docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
            found[module.name] = docstring.split("\n", 1)[0]
    return found


def trace(run_dir: str, folder: str, _: str, kind: str) -> None:
    """Writes the export of a run into `folder`; see `zoo.export.process`."""
    import zoo
    from zoo.export import publish, small_devices

    run = zoo.load(run_dir, precision="float32")
    if kind == "saved_model":
        samples = run.task.examples(run.task.config(), "train")  # of the bundled sample: the run's data stay private
        publish.trace(run, Path(folder), list(islice(samples, 8)))
    else:
        small_devices.trace(run, Path(folder), kind)


def answer(run_dir: str, asked: str, answered: str) -> None:
    from zoo import task

    task.answer(run_dir, asked, answered)


def main(arguments: list[str]) -> int:
    if arguments:
        try:
            (trace if arguments[0] == "trace" else answer)(*arguments[1:])
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except OSError as error:
            print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
            return 2
        return 0
    print(f"zoo {__version__}: recurrent sequence models, from raw data to a served model\n")
    for name, summary in summaries().items():
        print(f"  python -m zoo.tasks.{name:<14} {summary}")
    print("\nEach trains on its bundled sample in seconds; --help shows its options and verbs.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
