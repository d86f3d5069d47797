"""`python -m zoo`: the tasks, one line each. Answers without loading TensorFlow."""

import ast
import importlib.util
import pkgutil
from pathlib import Path

from zoo import __version__, tasks


def summaries() -> dict[str, str]:
    """Task name → first line of its module's docstring; read from the source, so that nothing is run."""
    found = {}
    for module in pkgutil.iter_modules(tasks.__path__):
        spec = importlib.util.find_spec(f"zoo.tasks.{module.name}")
        if not module.name.startswith("_") and spec and spec.origin:
            docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
            found[module.name] = docstring.split("\n", 1)[0]
    return found


def main() -> None:
    print(f"zoo {__version__}: recurrent sequence models, from raw data to a served model\n")
    for name, summary in summaries().items():
        print(f"  python -m zoo.tasks.{name:<14} {summary}")
    print("\nEach trains on its bundled sample in seconds; --help shows its options and verbs.")


if __name__ == "__main__":
    main()
