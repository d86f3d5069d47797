"""Every fault of a command is one line and status 2, and leaves nothing behind."""

import csv
import dataclasses
import io
import json
import signal
import subprocess
import sys

import numpy as np
import pytest

import zoo
from zoo import cli, trainer
from zoo.errors import InputError, did_you_mean

sentiment_run = pytest.mark.parametrize("trained", ["sentiment"], indirect=True)


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


def test_a_reader_that_has_seen_enough_is_no_error():
    """As in `zoo | head -1`."""
    with subprocess.Popen([sys.executable, "-m", "zoo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_a_run_directory_in_use_is_kept(fails, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    assert "mine exists and is not empty" in fails("--run-dir", "mine")


@sentiment_run
def test_predict_reads_arguments_and_lines(trained, capsys, monkeypatch):
    run = str(trained.run.directory)
    nasty = ["", "   ", "ok\0\U0001f600 \u05e9\u05dc\u05d5\u05dd", "word " * 200_000]
    assert cli.main(["predict", run, "--json", *nasty]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["text"] for answer in answers] == nasty
    assert all(0 <= answer["probability"] <= 1 for answer in answers)
    monkeypatch.setattr("sys.stdin", io.StringIO("good\nbad\n"))
    assert cli.main(["predict", run]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


WORDS = ["good", "bad, and long", "fine"]


@sentiment_run
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "txt"])
def test_the_rows_of_a_file_are_answered_in_order(trained, tmp_path, kind):
    mark = {"csv": ",", "tsv": "\t"}.get(kind)
    if mark:
        content = mark.join(("id", "text", "label")) + "\n"
        content += "".join(mark.join((str(i), json.dumps(word), "x")) + "\n" for i, word in enumerate(WORDS))
    elif kind == "jsonl":
        content = "".join(json.dumps({"id": str(i), "text": t, "label": "x"}) + "\n" for i, t in enumerate(WORDS))
    else:
        content = "".join(f"{word}\n" for word in WORDS)
    source, target = tmp_path / f"in.{kind}", tmp_path / f"out.{'jsonl' if kind == 'txt' else kind}"
    source.write_text(content)
    assert cli.main(["predict", str(trained.run.directory), "--input", str(source), "--output", str(target)]) == 0
    text = target.read_text()
    rows = list(csv.DictReader(io.StringIO(text), delimiter=mark)) if mark else list(map(json.loads, text.splitlines()))
    assert [row["text"] for row in rows] == WORDS
    for row, answer in zip(rows, trained.run.predict(WORDS), strict=True):
        assert float(row["probability"]) == pytest.approx(answer["probability"], abs=1e-5)
        if kind == "txt":
            assert row["label"] == answer["label"]
        else:
            assert row["label"] == "x", "the row keeps its own columns"
            assert row["predicted_label"] == answer["label"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, target.name])


@sentiment_run
def test_answers_of_a_file_go_to_standard_output_too(trained, tmp_path, capsys):
    (tmp_path / "in.csv").write_text("body\ngood\n")
    command = ["predict", str(trained.run.directory), "--input", str(tmp_path / "in.csv")]
    assert cli.main(command) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["body"] == "good", "a table of one column needs no --column"
    assert "1 rows answered" in printed.err


@sentiment_run
@pytest.mark.parametrize(
    ("name", "content", "flags", "message"),
    [
        ("in.csv", "txet,id\ngood,1\n", [], "in.csv line 2: no column 'text'; did you mean 'txet'?"),
        ("in.csv", "text,id\ngood,1\n", ["--column", "boby"], "no column 'boby'; it has 'text', 'id'"),
        ("in.jsonl", '{"text": "good"}\n{"text": 7}\n', [], "in.jsonl lines 1 to 2: "),
        ("in.jsonl", '{"text": "good"}\nno json\n', [], "in.jsonl line 2"),
        ("in.jsonl", '{"text": "good"}\n{"text": "good", "more": 1}\n', [], "'more', which the first row lacks"),
        ("in.csv", "text\ngood\n", ["--output", "out.xls"], "--output out.xls: expected a name that ends in"),
        ("in.csv", "text\ngood\n", ["--signature", "serving_defualt"], "did you mean 'serving_default'?"),
    ],
)
def test_a_file_that_cannot_be_answered_leaves_the_old_output(trained, tmp_path, fails, name, content, flags, message):
    (tmp_path / name).write_text(content)
    (tmp_path / "out.csv").write_text("precious")
    assert message in fails("predict", str(trained.run.directory), "--input", name, "--output", "out.csv", *flags)
    assert (tmp_path / "out.csv").read_text() == "precious"


@sentiment_run
def test_evaluate_on_other_data(trained, capsys, tmp_path):
    (tmp_path / "test.csv").write_text("text,label\nthe plot is charming,positive\nthe cast was awful,negative\n")
    assert cli.main(["evaluate", str(trained.run.directory), "--data", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] in (0.0, 0.5, 1.0)


@pytest.mark.parametrize("fixed", [["--epochs", "3"], ["--recipe", "x.toml"], ["--run-dir", "x"], ["--seeds", "0,1"]])
def test_a_resumed_run_keeps_its_options(fails, fixed):
    assert f"{fixed[0]} with --resume" in fails("--resume", "somewhere", *fixed)


@pytest.mark.slow
def test_five_stars_as_words_from_a_table_of_ones_own(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stars = {"one": "awful", "two": "weak", "three": "plain", "four": "good", "five": "superb"}
    rows = [f"the film was {word},{label}" for label, word in stars.items() for _ in range(40)]
    (tmp_path / "train.csv").write_text("body,stars\n" + "\n".join(rows))
    sizes = ["--units", "16", "--embedding", "16", "--epochs", "12", "--learning-rate", "0.02", "--dropout", "0"]
    assert (
        cli.main(["train", "sentiment", "--data", ".", "--text-column", "body", "--label-column", "stars", *sizes]) == 0
    )
    capsys.readouterr()
    assert cli.main(["predict", "runs/sentiment/1", "--json", "the film was superb"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["label"] == "five"
    assert sorted(answer["labels"]) == sorted(stars)


@sentiment_run
def test_init_starts_from_the_weights_of_a_run(trained, tmp_path):
    cfg = dataclasses.replace(trained.run.cfg, init=str(trained.run.directory), learning_rate=0.0, epochs=1)
    again = trainer.train(trained.task, cfg, directory=tmp_path / "again")
    for old, new in zip(trained.run.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_allclose(old, new, rtol=1e-6)  # the weights of the n-grams are chosen anew
    with pytest.raises(InputError, match="other sizes"):
        trainer.train(trained.task, dataclasses.replace(cfg, units=9), directory=tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian", "sentiment"], "unknown verb 'trian'; did you mean 'train'?"),
        (["sentiment"], "unknown verb 'sentiment'; did you mean 'train sentiment'?"),
        (["train"], "zoo train TASK: the tasks are "),
        (["train", "sentimnet"], "unknown task 'sentimnet'; did you mean 'sentiment'?"),
        (["evaluate", "nowhere"], "nowhere is not a run directory"),
        (["predict", "nowhere", "--output", "x.csv"], "nowhere is not a run directory"),
    ],
)
def test_a_wrong_verb_or_task_is_one_line(fails, arguments, message):
    assert message in fails(*arguments, task=None)


@sentiment_run
def test_a_run_of_another_task_is_refused(trained, fails):
    directory = str(trained.run.directory)
    assert f"{directory} is a run of sentiment" in fails("predict", directory, "x", task="pos_tagging")
    assert "--output needs --input" in fails("predict", directory, "x", "--output", "x.csv", task=None)


def test_the_version_and_the_list_of_tasks(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"zoo {zoo.__version__}\n"
    assert cli.main([]) == 0
    assert "zoo train sentiment " in capsys.readouterr().out


def test_suggestions():
    assert did_you_mean("dropuot", ["dropout", "units"]) == "; did you mean 'dropout'?"
    assert did_you_mean("zzz", ["dropout"]) == ""
    assert issubclass(InputError, ValueError)
