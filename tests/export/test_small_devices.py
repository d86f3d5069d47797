"""LiteRT and ONNX give the same answers in runtimes without TensorFlow."""

import re

import keras
import numpy as np
import pytest

from zoo import cli
from zoo.data import batching, cache
from zoo.errors import InputError
from zoo.export import small_devices
from zoo.training import losses


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["litert", "onnx"])
def test_the_answers_are_the_models(trained, tmp_path, kind, capsys):
    """By the command line, on rows that the export was not tried with; ONNX takes them all at once, padded."""
    run = trained.run
    if not small_devices.can(run):
        pytest.skip("its answer takes more than one call of the model")
    command = ["export", str(run.directory), "--format", kind, "--to", str(tmp_path)]
    assert cli.main(command) == 0
    version = tmp_path / f"{run.name}-{kind}" / "1"
    assert capsys.readouterr().out.endswith(f"{kind}: {version}\n")
    beside = {file.name for file in version.iterdir()} - {small_devices.FILES[kind]}
    assert beside == {file.name for file in (run.directory / "codec").iterdir()}
    if not run.service.numeric:
        answer = small_devices.load(version)
        for x, want in small_devices.trial_answers(run, 20)[8:]:
            got = answer(**x)
            for name in want:
                np.testing.assert_allclose(got[name], want[name], atol=1e-5, rtol=1e-5)
        return
    examples = run.first_examples(20)
    rows = cache.encode(examples, lambda batch: run.task.encode(run.cfg, run.codec, batch))
    batches = [batching.Batch(np.array([i]), tuple(rows.lengths[i])) for i in range(8, 20)]
    if kind == "onnx":
        batches.append(batching.Batch(np.arange(20), tuple(rows.lengths.max(axis=0) + 3)))
    answer = small_devices.load(version)
    for batch in batches:
        x, _, weights = batching.pad(rows, batch, weigh=losses.weighs(run.model.loss))
        want = run.service.numeric(run.model(x))
        got = answer(**(x if isinstance(x, dict) else {run.model.inputs[0].name: x}))
        assert got.keys() == want.keys()
        for name in want:
            fits = [weight > 0 for weight in keras.tree.flatten(weights) if weight.shape == want[name].shape]
            real = fits[0] if fits else slice(None)
            np.testing.assert_allclose(got[name][real], want[name].numpy()[real], atol=1e-5)


@pytest.mark.parametrize("kind", ["litert", "onnx"])
def test_what_cannot_be_converted_says_why_and_writes_nothing(trained, tmp_path, kind, monkeypatch):
    run = trained.run
    if small_devices.can(run):
        monkeypatch.setitem(small_devices.PACKAGES, kind, ("no_such_package",))
        why = re.escape(f"no_such_package: pip install 'sequence-task-zoo[{kind}]'")
    else:
        why = f"{run.name} cannot be exported as {kind}: .*--format saved_model"
    with pytest.raises(InputError, match=why):
        run.export(tmp_path, format=kind)
    assert not list(tmp_path.iterdir())
