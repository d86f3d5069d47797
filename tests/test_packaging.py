"""The wheel holds the package and nothing else, and trains a sample outside the checkout, without any extra."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OF_EXTRAS = ("tensorflow_text", "sentencepiece", "sacrebleu", "pycocoevalcap")  # import names


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command that finds neither the checkout nor the caller's PYTHONPATH."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return subprocess.run([*map(str, command)], cwd=cwd, env=env, text=True, capture_output=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of the checkout's own files: setuptools would leave a build/ folder in it."""
    folder = tmp_path_factory.mktemp("packaging")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    built = run(sys.executable, "-m", "pip", "wheel", *options, folder / "source", cwd=folder)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel) -> Path:
    """The interpreter of an environment with the wheel and the packages of this one, except those of the extras."""
    folder = wheel.parent / "venv"
    made = run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=wheel.parent)
    assert made.returncode == 0, made.stderr
    scheme = {"base": str(folder), "platbase": str(folder)}
    found = Path(sysconfig.get_path("scripts", "venv", scheme)) / Path(sys.executable).name
    installed = run(
        sys.executable, "-m", "pip", "--python", found, "install", "--quiet", "--no-deps", wheel, cwd=wheel.parent
    )
    assert installed.returncode == 0, installed.stderr
    packages = Path(sysconfig.get_path("purelib", "venv", scheme))
    # Python does not read the .pth files in a folder that a .pth file names, so the checkout's own stays unread.
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "shared.pth").write_text("\n".join(shared) + "\n")
    (packages / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({OF_EXTRAS}))\n")
    return found


@pytest.mark.slow
def test_the_wheel_holds_the_package_only(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        about = Parser().parsestr(archive.read(next(n for n in names if n.endswith("/METADATA"))).decode())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "zoo").rglob("*.py")}
    assert {name for name in names if ".dist-info/" not in name} == modules
    needed = [line for line in about.get_all("Requires-Dist") if "extra ==" not in line]
    assert needed
    for package in OF_EXTRAS:
        assert not any(line.startswith(package.replace("_", "-")) for line in needed)
    assert {"translation", "captioning", "all"} <= set(about.get_all("Provides-Extra"))


@pytest.mark.slow
def test_the_sample_trains_outside_the_checkout(python, tmp_path):
    where = run(python, "-c", "import zoo; print(zoo.__file__)", cwd=tmp_path)
    assert Path(where.stdout.strip()).is_relative_to(python.parents[1])
    trained = run(python, "-m", "zoo.tasks.sentiment", "--limit", "100", "--epochs", "1", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "runs" / "sentiment" / "1" / "metrics.json").is_file()
    assert list((tmp_path / "saved_models").rglob("saved_model.pb"))


@pytest.mark.slow
def test_the_zoo_command_lists_the_tasks(python, tmp_path):
    listed = run(python.parent / "zoo", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "sentiment" in listed.stdout


@pytest.mark.slow
def test_a_task_without_its_extra_says_what_to_install(python, tmp_path):
    refused = run(python, "-m", "zoo.tasks.translation", "--limit", "20", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].endswith("pip install 'sequence-task-zoo[translation]'")
