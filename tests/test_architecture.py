"""The shape of the project, computed from its files: imports point one way, and names say what a file holds."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "zoo").rglob("*.py"))
# A module imports from its own layer and from earlier ones. Modules of one layer import each other without a circle.
LAYERS = (
    ("zoo.errors", "zoo.options", "zoo.quiet"),
    ("zoo.data", "zoo.layers"),
    ("zoo.training", "zoo.metrics", "zoo.baselines", "zoo.answers", "zoo.plots"),
    ("zoo.tasks",),
    ("zoo.task",),
    ("zoo.export",),
    ("zoo.report", "zoo.run_dir", "zoo.run", "zoo.predictions", "zoo.inspection"),
    ("zoo.trainer",),
    ("zoo.children", "zoo.comparison", "zoo.hyperparameters", "zoo.flags"),
    ("zoo.cli",),
    ("zoo.__main__",),
)


def name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name(path): path for path in FILES}


def imports(module: str) -> set[str]:
    """The zoo's modules that a module imports, at its head or inside functions.

    `if __name__ == "__main__"` and `if TYPE_CHECKING` are not part of the module that others import. `from zoo import
    layers` is an import of the package zoo.layers, and of zoo/layers/__init__.py.
    """
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    body = [node for node in tree.body if not (isinstance(node, ast.If) and _is_guard(node.test))]
    found = set()
    for node in (inner for outer in body for inner in ast.walk(outer)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {target if target in MODULES else node.module for target in whole}
    return {target for target in found if target in MODULES and target not in ("zoo", module)}


def _is_guard(test: ast.expr) -> bool:
    return "__main__" in ast.unparse(test) or ast.unparse(test) == "TYPE_CHECKING"


GRAPH = {module: imports(module) for module in MODULES}


def layer(module: str) -> int | None:
    return next((i for i, names in enumerate(LAYERS) if any(within(module, one) for one in names)), None)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module):
    if module in ("zoo", "zoo.tasks._template"):
        return
    assert layer(module) is not None, f"{module} has no place in the order"
    for target in GRAPH[module]:
        assert layer(target) <= layer(module), f"{module} imports {target}, which comes later"
        assert not (within(module, "zoo.layers") and within(target, "zoo.data")), "layers and data are independent"
        assert not (within(module, "zoo.data") and within(target, "zoo.layers")), "layers and data are independent"
        assert not within(target, "zoo.tasks") or target == "zoo.tasks", "the runner finds tasks by name"


def test_no_two_files_import_each_other():
    """Not directly, and not in a circle: computed by removing, again and again, what imports nothing that is left."""
    left = {module: set(targets) for module, targets in GRAPH.items()}
    while free := [module for module, targets in left.items() if not targets]:
        for module in free:
            del left[module]
        for targets in left.values():
            targets.difference_update(free)
    assert not left, f"in or behind a circle: {left}"


def test_a_circle_would_be_found(monkeypatch):
    monkeypatch.setitem(GRAPH, "zoo.errors", {"zoo.cli"})
    with pytest.raises(AssertionError):
        test_no_two_files_import_each_other()


@pytest.mark.parametrize("path", FILES, ids=name)
def test_names_say_what_a_file_holds(path):
    assert path.stem not in {"utils", "util", "common", "helpers", "helper", "base", "misc"}


def test_tasks_folder_holds_no_python():
    assert not list((ROOT / "tasks").rglob("*.py"))
