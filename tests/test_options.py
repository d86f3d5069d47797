"""Options: a default of one's own keeps help and bounds, defaults < recipe < changes, and every fault is named."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import pytest

from tests.conftest import TASKS
from zoo import options
from zoo import task as tasks
from zoo.errors import InputError
from zoo.options import option


@dataclass(frozen=True)
class Config(options.Words, options.Recurrent, options.Training):
    epochs: int = 8
    cell: Literal["gru", "lstm"] = "gru"
    pooling: Literal["max", "mean"] = option("max", "how the steps become one vector")


def field(config: type, name: str) -> dataclasses.Field:
    return next(entry for entry in dataclasses.fields(config) if entry.name == name)


def test_another_default_keeps_help_and_bounds():
    assert Config().epochs == 8
    assert field(Config, "epochs").metadata == field(options.Training, "epochs").metadata
    assert options.Training().epochs == 5
    with pytest.raises(InputError, match="epochs is 0: expected at least 1"):
        Config(epochs=0)


def test_fewer_choices_are_those_of_the_task():
    assert options.kind_of(Config, "cell") == (str, ["gru", "lstm"], False)
    with pytest.raises(InputError, match="cell is 'simple': expected one of gru, lstm"):
        Config(cell="simple")


def test_another_default_is_inherited_further():
    @dataclass(frozen=True)
    class Longer(Config):
        epochs: int = 20

    assert Longer().epochs == 20
    assert field(Longer, "epochs").metadata["low"] == 1


def test_groups_begin_with_what_matters_most_and_hold_every_option_once():
    grouped = options.groups(Config)
    assert next(iter(grouped)) == "the options that matter most"
    assert [entry.name for entry in grouped["options of this task"]] == ["pooling"]
    assert sorted(entry.name for entries in grouped.values() for entry in entries) == sorted(options.names(Config))


@pytest.mark.parametrize("name", TASKS)
def test_every_option_of_every_task_has_help_and_a_valid_default(name):
    config = tasks.get(name).Config
    config()
    for entry in dataclasses.fields(config):
        assert entry.metadata["help"], entry.name


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("dropuot = 0.5", "unknown option 'dropuot' in recipe.toml; did you mean 'dropout'?"),
        ('dropout = "much"', "dropout is 'much': expected float"),
        ("units = 1.5", "units is 1.5: expected int"),
        ("units = true", "units is True: expected int"),
        ("jit = true", "jit is True: expected one of auto, on, off"),
        ('cell = "lsmt"', "cell is 'lsmt': expected one of simple, lstm, gru, transformer; did you mean 'lstm'?"),
        ("units = ", "recipe.toml cannot be read"),
    ],
)
def test_a_wrong_recipe_is_one_line(fails, tmp_path, recipe, message):
    (tmp_path / "recipe.toml").write_text(recipe)
    assert message in fails("--recipe", "recipe.toml")


def test_changes_win_over_the_recipe_and_the_recipe_over_defaults(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("units = 3\ndropout = 0")
    cfg = options.configure(Config, path, {"units": 5})
    assert (cfg.units, cfg.dropout, cfg.embedding) == (5, 0, Config().embedding)


def test_an_unknown_change_is_named():
    with pytest.raises(InputError, match=r"unknown option 'dropuot'; did you mean 'dropout'\?"):
        options.configure(Config, None, {"dropuot": 0.5})


def test_a_config_survives_its_file(tmp_path):
    cfg = Config(limit=7, data='a "quoted" path', bidirectional=False)
    path = tmp_path / "config.toml"
    path.write_text(cfg.to_toml())
    assert Config.from_toml(path) == cfg
