"""What a disk, a hand or the numbers can do to a run: a clear line, and nothing is lost that was there before."""

import json
import resource
import shutil

import keras
import numpy as np
import pytest

from tests.conftest import small, small_flags
from tests.test_resume import ends_as
from zoo import cli, trainer
from zoo import task as tasks
from zoo.data import batching, cache
from zoo.errors import InputError
from zoo.options import Training
from zoo.run import Run
from zoo.run_dir import read_history
from zoo.training import callbacks, checkpoints, optimizers

SENTIMENT = tasks.get("sentiment")


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


CODEC, WEIGHTS = "a file has changed or is missing", "is incomplete or damaged"
DAMAGE = {
    "config.toml": [
        (half, "copy/config.toml is cut short"),
        (lambda text: b"", "must name the task"),
        (lambda text: text.replace(b"format = 2", b"format = 0"), "another version of the zoo (format 0"),
        (lambda text: text.replace(b"# format = 2\n", b""), "another version of the zoo (format None"),
        (
            lambda text: text.replace(b'"sentiment"', b'"sentimental"', 1),
            "'sentimental'; did you mean 'sentiment'?",
        ),
        (lambda text: text.replace(b'"sentiment"', b'"sentiment.os"', 1), "unknown task 'sentiment.os'"),
        (lambda text: text.replace(b"units = 8", b"units = 8\nunits = 3"), "cannot be read"),
        (lambda text: text.replace(b"units = 8", b"units = 9"), WEIGHTS),
        (lambda text: text.replace(b"units = 8", b"unist = 9"), "unknown option 'unist'"),
    ],
    "codec/words.words": [
        (half, CODEC),
        (lambda text: text.replace(b"the", b"teh"), CODEC),
    ],
    "model.keras": [(half, WEIGHTS), (lambda zip: b"", WEIGHTS)],
    "metrics.json": [(half, WEIGHTS)],
}


def test_a_damaged_run_is_refused(trained, tmp_path, fails):
    if trained.run.name != "sentiment":
        pytest.skip("one task stands for all")
    copy = tmp_path / "copy"
    shutil.copytree(trained.run.directory, copy)
    for file, changes in DAMAGE.items():
        content = (copy / file).read_bytes()
        for change, message in changes:
            (copy / file).write_bytes(change(content))
            assert (copy / file).read_bytes() != content
            assert message in fails("predict", "copy", "fine")
        (copy / file).write_bytes(content)


def test_a_run_of_another_task_is_refused(trained, fails):
    if trained.run.name == "sentiment":
        pytest.skip("it is the one that is asked")
    run = str(trained.run.directory)
    for arguments in (["predict", run, "fine"], ["--resume", run], ["--init", run, "--limit", "48"]):
        assert f"is a run of {trained.run.name}" in fails(*arguments)


def test_finished_and_unfinished_runs_say_so(trained, tmp_path, capsys):
    with pytest.raises(InputError, match="is finished"):
        trainer.resume(trained.task, trained.run.directory)
    copy = tmp_path / "copy"
    shutil.copytree(trained.run.directory, copy)
    (copy / "metrics.json").unlink()
    assert Run.load(copy).metrics == {}  # it has its weights, and was stopped in evaluation
    cli.main(["predict", str(copy), "fine"])
    assert f"--resume {copy}" in capsys.readouterr().err
    (copy / "model.keras").unlink()
    with pytest.raises(InputError, match=rf"is not finished; .* --resume {copy}"):
        Run.load(copy)


def test_a_truncated_history_is_refused(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss\n0,0.5\n1")
    with pytest.raises(InputError, match="is incomplete or damaged"):
        read_history(tmp_path)


def state(epoch: int, value: float = 0.0) -> checkpoints.State:
    return checkpoints.State(epoch, 3, {"config": "", "data": ""}, {}, [np.full((5, 4), value, np.float32)], [])


def test_the_last_two_checkpoints_stay_and_the_one_before_replaces_a_broken_one(tmp_path, capsys):
    for epoch in range(4):
        state(epoch, epoch).save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0002-00000003.npz", "0003-00000003.npz"]
    (tmp_path / "0003-00000003.npz").write_bytes(half((tmp_path / "0003-00000003.npz").read_bytes()))
    found = checkpoints.latest(tmp_path)
    assert (found.epoch, found.steps) == (2, 3)
    np.testing.assert_array_equal(found.variables, state(2, 2).variables)
    assert "0003-00000003.npz is incomplete or damaged" in capsys.readouterr().out
    (tmp_path / "0002-00000003.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"no checkpoint .* can be read"):
        checkpoints.latest(tmp_path)
    assert checkpoints.latest(tmp_path / "empty") is None


def test_a_checkpoint_runs_no_code(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    np.savez(tmp_path / "0000-00000001.npz", about=np.array([Bomb()], dtype=object))
    with pytest.raises(InputError, match=r"no checkpoint .* can be read"):
        checkpoints.latest(tmp_path)


@pytest.fixture
def quota():
    """Limits how large a file may become; takes the limit away at the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_checkpoints_that_were_there(tmp_path, quota):
    state(0).save(tmp_path)
    quota(300)
    with pytest.raises(OSError, match="too large"):
        state(1).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["0000-00000003.npz"]
    assert checkpoints.latest(tmp_path).epoch == 0


@pytest.mark.slow
def test_a_run_on_a_full_disk_goes_on_when_there_is_room(tmp_path, quota, capsys):
    run, options = tmp_path / "run", ["--run-dir", str(tmp_path / "run"), "--checkpoint-seconds", "0"]
    for size, started in ((1000, False), (5000, True), (60_000, True)):
        arguments = ["--resume", str(run)] if run.exists() else [*options, *small_flags(SENTIMENT)]
        quota(size)
        status = cli.main([*arguments, "--export-dir", str(tmp_path / "saved_models")], task="sentiment")
        quota(resource.RLIM_INFINITY)
        error = capsys.readouterr().err
        assert status == 2
        assert "File too large" in error
        assert error.count("\n") == 1
        assert run.exists() == started
    assert (run / "metrics.json").exists()  # the run is whole; it was the export that was too large
    assert cli.main(["export", str(run), "--to", str(tmp_path / "saved_models")]) == 0
    ends_as(Run.load(run), trainer.train(SENTIMENT, SENTIMENT.Config(**small(SENTIMENT)), directory=tmp_path / "other"))


def test_a_loss_that_is_no_number_ends_the_run_at_that_step(tmp_path):
    numbers = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
    numbers[7] = np.inf
    rows = [{"x": row.tolist(), "y": 1.0} for row in numbers]
    encoded = cache.encode(rows, lambda batch: (batch["x"].to_tensor()[:, :, None], batch["y"]))
    batches = batching.Batches(encoded, batching.choose_buckets(encoded.lengths, batch_tokens=6), seed=3)
    cfg = Training(checkpoint_seconds=0.0)
    inputs = keras.Input([None, 1])
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.ops.mean(inputs, axis=1)))
    model.compile(optimizers.adamw(cfg), "mse")
    watch = callbacks.for_run(cfg, tmp_path, batches, metrics=(), data="", stop=checkpoints.Stop(), resume=None)
    with pytest.raises(callbacks.Diverged, match=r"the loss is (inf|nan) in epoch 1"):
        model.fit(
            batches.for_training(),
            steps_per_epoch=len(batches),
            epochs=2,
            shuffle=False,
            callbacks=watch.callbacks,
            verbose=0,
        )
    where = json.loads((tmp_path / "diverged.json").read_text())
    step = next(i for i, batch in enumerate(batches.plan(0)) if 7 in batch.rows)
    assert where["step"] == step + 1
    assert where["rows of train"] == batches.plan(0)[step].rows.tolist()
    assert len(where["gradient norms"]) == step + 1
    assert not np.isfinite(model.get_weights()[0]).all()
    assert all(np.isfinite(weight).all() for weight in watch.saving.good_weights())
