"""The shape of the project: imports point one way, and names say what is in them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "zoo").rglob("*.py"))
ORDER = [
    "zoo.tasks",
    "zoo.cli",
    "zoo.task",
    "zoo.report",
    "zoo.export",
    "zoo.plots",
    "zoo.callbacks",
    "zoo.checkpoint",
    "zoo.optimizers",
]
GROUND = [
    "zoo.devices",
    "zoo.losses",
    "zoo.metrics",
    "zoo.answers",
    "zoo.layers",
    "zoo.data",
    "zoo.errors",
]


def name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_point_one_way(path):
    module = name(path)
    for target in imported(path):
        assert not (within(module, "zoo.layers") and within(target, "zoo.data")), "layers never import data"
        assert not (within(module, "zoo.layers") and within(target, "tensorflow") and _at_head(path, target))
        if within(module, "zoo.tasks"):
            assert not (within(target, "zoo.tasks") and target != module), "a task never imports another"
        for i, package in enumerate(ORDER):
            if within(module, package):
                assert not any(within(target, above) for above in ORDER[:i]), f"{module} imports {target}"
        if any(within(module, package) for package in GROUND):
            assert not any(within(target, above) for above in ORDER), f"{module} imports {target}"


def _at_head(path: Path, target: str) -> bool:
    head = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.Import) and target in {alias.name for alias in node.names} for node in head)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_nothing_is_called_utils(path):
    assert path.stem not in {"utils", "util", "common", "helpers", "helper", "base", "misc"}


def test_tasks_folder_holds_no_python():
    assert not list((ROOT / "tasks").rglob("*.py"))
