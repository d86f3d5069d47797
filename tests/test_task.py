"""zoo.task.get finds a task by its name, and says which part of a module is missing or misspelt."""

import types

import pytest

from tests.conftest import TASKS
from zoo import task as tasks
from zoo.errors import InputError
from zoo.tasks import sentiment


def module(**changes) -> types.ModuleType:
    """A task module with all parts of sentiment except those that `changes` gives as None."""
    made = types.ModuleType("zoo.tasks.mine")
    parts = {name: getattr(sentiment, name) for name in tasks.REQUIRED} | changes
    vars(made).update({name: _own(value) for name, value in parts.items() if value is not None})
    return made


def _own(value):
    if isinstance(value, types.FunctionType):
        value = types.FunctionType(value.__code__, value.__globals__, value.__name__)
        value.__module__ = "zoo.tasks.mine"
    return value


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_all_parts(name):
    task = tasks.get(name)
    assert tasks.name_of(task) == name
    assert tasks.summaries()[name] == task.__doc__.splitlines()[0]


def test_a_whole_module_passes():
    tasks.check(module())


def test_a_missing_function_is_named():
    with pytest.raises(InputError, match=r"zoo\.tasks\.mine has no 'quality'; zoo/task\.py lists"):
        tasks.check(module(quality=None))


def test_a_misspelt_function_is_named():
    with pytest.raises(InputError, match=r"has no 'baseline'; did you mean 'basline'\?"):
        tasks.check(module(baseline=None, basline=sentiment.baseline))


def test_a_misspelt_optional_part_is_named():
    with pytest.raises(InputError, match=r"has 'ARTEFACTS', which is not a part of a task; did you mean 'ARTIFACTS'\?"):
        tasks.check(module(ARTEFACTS={}))
    tasks.check(module(ARTIFACTS={}, ARTEFACTS={}))


def test_an_unknown_task_gets_a_suggestion():
    with pytest.raises(InputError, match=r"unknown task 'sentimnet'; did you mean 'sentiment'\?; the tasks are "):
        tasks.get("sentimnet")
    with pytest.raises(InputError, match=r"unknown task '_template'"):
        tasks.get("_template")
    with pytest.raises(InputError, match=r"unknown task '\.\./x'"):
        tasks.get("../x")
