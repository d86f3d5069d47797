"""Every task from the shell: it says what it did, bad data is one line, and --help is quick."""

import json
import subprocess
import sys

import pytest

from tests.conftest import TASKS, description
from zoo import options
from zoo import task as tasks
from zoo.run import load_splits

CHILD = """
import json, runpy, sys, time
sys.argv = {arguments!r}
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit:
    pass
loaded = [name for name in ("keras.src", "tensorflow.python") if name in sys.modules]
print(json.dumps({{"loaded": loaded, "seconds": time.process_time()}}), file=sys.stderr)
"""


def test_training_says_what_it_did(trained):
    assert str(trained.version) in trained.printed
    assert str(trained.run.directory) in trained.printed
    assert "data: sample" in trained.printed


@pytest.mark.parametrize("name", TASKS)
def test_a_small_data_folder_is_read(name, tmp_path):
    description(name).write_good(tmp_path)
    task = tasks.get(name)
    data = load_splits(task, task.Config(data=str(tmp_path)))
    assert all(len(part) for part in data.values())


@pytest.mark.parametrize("name", TASKS)
def test_a_bad_file_is_one_line_and_leaves_nothing_behind(name, fails, tmp_path):
    file, content, words = description(name).BAD
    description(name).write_good(tmp_path)
    (tmp_path / file).write_text(content)
    assert words in fails("--data", ".", task=name)


@pytest.mark.parametrize("name", TASKS)
def test_a_wrong_option_is_one_line_for_every_task(name, fails):
    assert "did you mean '--epochs'?" in fails("--epohcs", "3", task=name)


def child(*arguments: str) -> tuple[str, dict]:
    """What a command prints, the slow libraries that it loaded, and the seconds of processor time that it took."""
    program = CHILD.format(arguments=list(arguments))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    return done.stdout, json.loads(done.stderr.splitlines()[-1])


@pytest.mark.parametrize("name", TASKS)
def test_help_is_quick(name):
    """In processor time, which other processes do not stretch."""
    printed, cost = child(f"zoo.tasks.{name}", "--help")
    assert cost["loaded"] == []
    assert cost["seconds"] < 1
    for option in options.names(tasks.get(name).Config):
        assert f"--{option.replace('_', '-')} " in printed.replace("\n", " "), option


@pytest.mark.parametrize("arguments", [["zoo"], ["zoo.tasks.sentiment", "--epohcs"], ["zoo", "predict", "nowhere"]])
def test_the_list_of_tasks_and_wrong_commands_are_quick(arguments):
    printed, cost = child(*arguments)
    assert cost["loaded"] == []
    assert cost["seconds"] < 1
    if arguments == ["zoo"]:
        assert all(f"zoo train {name} " in printed for name in TASKS)


def test_importing_the_zoo_changes_no_environment_variable():
    program = "import os; before = dict(os.environ); import zoo; assert dict(os.environ) == before"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_line(name):
    assert tasks.summaries()[name].endswith(".")
