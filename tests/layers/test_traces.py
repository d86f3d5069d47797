"""The plain steps of an encoder are those of its fast layers, and its gates explain its states."""

import keras
import numpy as np
import pytest

from zoo.layers import RecurrentEncoder, traces

X = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")


def numpy(value) -> np.ndarray:
    return keras.ops.convert_to_numpy(value)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("cell", ["simple", "gru", "lstm", "transformer"])
def test_it_reads_as_the_encoder_does(cell, bidirectional):
    encoder = RecurrentEncoder(6, cell=cell, layers=3, residual=True, bidirectional=bidirectional)
    wanted = encoder(X)
    *found, traced = traces.trace(encoder, keras.ops.convert_to_tensor(X))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(numpy(one), numpy(other), atol=1e-5)
    ways = [""] if cell == "transformer" else ["forward", "backward"][: 1 + bidirectional]
    assert [(one.layer, one.direction) for one in traced] == [(layer, way) for layer in range(3) for way in ways]
    assert all(part.shape[:2] == (2, 5) for one in traced for part in one.parts.values())


def parts_of(cell: str, way: int = 0) -> dict[str, np.ndarray]:
    encoder = RecurrentEncoder(6, cell=cell)
    encoder(X)
    *_, traced = traces.trace(encoder, keras.ops.convert_to_tensor(X))
    return {name: numpy(part) for name, part in traced[way].parts.items()}


def test_the_gates_of_an_lstm_make_its_memory_and_its_state():
    for way, before in enumerate((slice(0, 4), slice(1, 5))):  # backwards, the step before is the next one
        parts = parts_of("lstm", way)
        now = slice(1, 5) if way == 0 else slice(0, 4)
        write, forget, new, memory = (parts[name] for name in ("input gate", "forget gate", "candidate", "memory"))
        kept = forget[:, now] * memory[:, before]
        np.testing.assert_allclose(memory[:, now], kept + write[:, now] * new[:, now], atol=1e-6)
        np.testing.assert_allclose(parts["state"], parts["output gate"] * np.tanh(memory), atol=1e-6)


def test_the_update_gate_of_a_gru_mixes_its_state():
    parts = parts_of("gru")
    update, new, state = (parts[name][:, 1:] for name in ("update gate", "candidate", "state"))
    np.testing.assert_allclose(state, update * parts["state"][:, :-1] + (1 - update) * new, atol=1e-6)


def test_a_transformer_shows_where_each_step_looks():
    encoder = RecurrentEncoder(64, cell="transformer", bidirectional=False)
    encoder(X)
    *_, (traced,) = traces.trace(encoder, keras.ops.convert_to_tensor(X))
    assert list(traced.parts) == ["state", "head 1", "head 2"]
    seen = numpy(traced.parts["head 2"])  # [B, seen, looking]
    np.testing.assert_allclose(seen.sum(axis=1), 1, atol=1e-6)
    assert not np.tril(np.ones([5, 5]), -1)[None].repeat(2, 0)[seen > 0].any(), "no step looks at a later one"
