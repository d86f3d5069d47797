"""Every fault of a command is one line and status 2, and leaves nothing behind."""

import dataclasses
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import get_task
from zoo import cli
from zoo.__main__ import summaries
from zoo.errors import InputError, did_you_mean

SENTIMENT = get_task("sentiment")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epohcs", "3"], "'--epohcs'; did you mean '--epochs'?"),
        (["trian"], "unknown verb 'trian'; did you mean 'train'?"),
        (["--epochs", "many"], "invalid int value: 'many'"),
        (["--epochs", "0"], "epochs is 0: expected at least 1"),
        (["--dropout", "2"], "dropout is 2.0: expected 0 to 0.95"),
        (["--cell", "lsmt"], "'lsmt'"),
        (["--bidirectional", "maybe"], "neither true nor false"),
        (["--pooling", "median"], "'median'"),
        (["--seeds", "1,x"], "expected whole numbers"),
        (["--data", "nowhere"], "nowhere does not exist"),
        (["--recipe", "nowhere.toml"], "nowhere.toml cannot be read"),
        (["predict", "nowhere", "fine"], "nowhere is not a run directory"),
        (["evaluate", "nowhere"], "nowhere is not a run directory"),
        (["export", "nowhere"], "nowhere is not a run directory"),
        (["predict"], "required: RUN_DIR"),
    ],
)
def test_a_wrong_command_is_one_line(fails, arguments, message):
    assert message in fails(*arguments)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("dropuot = 0.5", "unknown option 'dropuot' in recipe.toml; did you mean 'dropout'?"),
        ('dropout = "much"', "dropout is 'much': expected float"),
        ("units = 1.5", "units is 1.5: expected int"),
        ("units = true", "units is True: expected int"),
        ("jit = true", "jit is True: expected one of auto, on, off"),
        ('cell = "lsmt"', "cell is 'lsmt': expected one of simple, lstm, gru; did you mean 'lstm'?"),
        ("units = ", "recipe.toml cannot be read"),
    ],
)
def test_a_wrong_recipe_is_one_line(fails, tmp_path, recipe, message):
    (tmp_path / "recipe.toml").write_text(recipe)
    assert message in fails("--recipe", "recipe.toml")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "x"), ("b", "x"), ("c", "x"), ("d", "x")], "every training label is 'x'"),
        ([("a", "x")], "too few"),
    ],
)
def test_data_that_cannot_be_learned_from(fails, tmp_path, rows, message):
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    assert message in fails("--data", ".")


def test_a_label_that_training_has_not_seen(fails, tmp_path):
    for split, labels in (("train", "xyxyxyxy"), ("test", "xz")):
        lines = [json.dumps({"text": "a", "label": label}) for label in labels]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines))
    assert "label 'z' of test is not in train" in fails("--data", ".")


def test_a_run_directory_in_use_is_kept(fails, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    assert "mine exists and is not empty" in fails("--run-dir", "mine")


def test_flags_win_over_the_recipe_and_the_recipe_over_defaults(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("units = 3\ndropout = 0")
    options = cli._parser(SENTIMENT, "train").parse_all(["--recipe", str(path), "--units", "5"])
    cfg = cli.configure(SENTIMENT, options)
    assert (cfg.units, cfg.dropout, cfg.embedding) == (5, 0, SENTIMENT.config().embedding)


def test_a_config_survives_its_file(tmp_path):
    cfg = SENTIMENT.config(limit=7, data='a "quoted" path', bidirectional=False)
    path = tmp_path / "config.toml"
    path.write_text(cfg.to_toml())
    assert SENTIMENT.config.from_toml(path) == cfg


def test_predict_reads_arguments_and_lines(trained, capsys, monkeypatch):
    if trained.task.name != "sentiment":
        pytest.skip("one task's command line stands for all")
    run = str(trained.run.directory)
    nasty = ["", "   ", "ok\0\U0001f600 \u05e9\u05dc\u05d5\u05dd", "word " * 200_000]
    assert cli.main(SENTIMENT, ["predict", run, "--json", *nasty]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["text"] for answer in answers] == nasty
    assert all(0 <= answer["probability"] <= 1 for answer in answers)
    monkeypatch.setattr("sys.stdin", io.StringIO("good\nbad\n"))
    assert cli.main(SENTIMENT, ["predict", run]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_evaluate_on_other_data(trained, capsys, tmp_path):
    if trained.task.name != "sentiment":
        pytest.skip("one task's command line stands for all")
    (tmp_path / "test.csv").write_text("text,label\nthe plot is charming,positive\nthe cast was awful,negative\n")
    assert cli.main(SENTIMENT, ["evaluate", str(trained.run.directory), "--data", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] in (0.0, 0.5, 1.0)


@pytest.mark.parametrize("fixed", [["--epochs", "3"], ["--recipe", "x.toml"], ["--run-dir", "x"], ["--seeds", "0,1"]])
def test_what_a_resumed_run_cannot_change(fails, fixed):
    assert f"{fixed[0]} with --resume" in fails("--resume", "somewhere", *fixed)


@pytest.mark.slow
def test_five_stars_as_words_from_a_table_of_ones_own(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stars = {"one": "awful", "two": "weak", "three": "plain", "four": "good", "five": "superb"}
    rows = [f"the film was {word},{label}" for label, word in stars.items() for _ in range(40)]
    (tmp_path / "train.csv").write_text("body,stars\n" + "\n".join(rows))
    sizes = ["--units", "16", "--embedding", "16", "--epochs", "12", "--learning-rate", "0.02", "--dropout", "0"]
    assert cli.main(SENTIMENT, ["--data", ".", "--text-column", "body", "--label-column", "stars", *sizes]) == 0
    capsys.readouterr()
    assert cli.main(SENTIMENT, ["predict", "runs/sentiment/1", "--json", "the film was superb"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["label"] == "five"
    assert sorted(answer["labels"]) == sorted(stars)


def test_init_starts_from_the_weights_of_a_run(trained, tmp_path):
    if trained.task.name != "sentiment":
        pytest.skip("one task stands for all")
    cfg = dataclasses.replace(trained.run.cfg, init=str(trained.run.directory), learning_rate=0.0, epochs=1)
    again = SENTIMENT.train(cfg, run_dir=tmp_path / "again")
    for old, new in zip(trained.run.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(InputError, match="other sizes"):
        SENTIMENT.train(dataclasses.replace(cfg, units=9), run_dir=tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("arguments", [["zoo"], ["zoo.tasks.sentiment", "--help"], ["zoo.tasks.sentiment", "--epohcs"]])
def test_help_and_wrong_flags_do_not_load_tensorflow(arguments):
    code = (
        "import runpy, sys\n"
        f"sys.argv = {arguments!r}\n"
        "try: runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
        "except SystemExit: pass\n"
        "print('keras.src' in sys.modules or 'tensorflow.python' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip().endswith("False"), done.stdout + done.stderr


def test_every_task_has_a_line():
    assert all(line.endswith(".") for line in summaries().values())
    assert "sentiment" in summaries()


def test_suggestions():
    assert did_you_mean("dropuot", ["dropout", "units"]) == "; did you mean 'dropout'?"
    assert did_you_mean("zzz", ["dropout"]) == ""
    assert issubclass(InputError, ValueError)
