"""Search: the laws of greedy, beam and sampling on small tables, and on the attention decoder."""

import functools
import itertools
import json
import math
import os
import random
import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from zoo.answers import search as searching
from zoo.answers.search import ABSENT, beam, greedy, sample
from zoo.layers.decoders import AttentionDecoder

END, PAD = 0, 9
on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs are TensorFlow's")


def table_decoder(table):
    """A decoder that is a table [rows, steps, V, V]: logits of the next token by row, step and token before."""
    rows, steps, width, _ = table.shape
    flat = ops.convert_to_tensor(table.reshape(-1, width).astype("float32"))

    def step(tokens, state):
        t = ops.minimum(state["t"], steps - 1)
        return ops.take(flat, (state["row"] * steps + t) * width + tokens, axis=0), state | {"t": state["t"] + 1}, None

    index = np.arange(rows, dtype="int32")
    return step, {"row": ops.convert_to_tensor(index), "t": ops.convert_to_tensor(index * 0)}, index * 0 + 1


def random_table(rows, steps, width, seed=0, scale=2.0):
    return np.random.default_rng(seed).normal(scale=scale, size=(rows, steps, width, width))


def log_softmax(logits):
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def numpy_of(decoded):
    return decoded._replace(
        **{name: ops.convert_to_numpy(value) for name, value in decoded._asdict().items() if value is not None}
    )


def log_probability(chances, tokens):
    """Of `tokens` after token 1, under chances [steps, V, V]."""
    before = (1, *tokens[:-1])
    return sum(chances[t, before[t], token] for t, token in enumerate(tokens))


def every_answer(table, row, horizon):
    """[(log probability, tokens)] of every sequence that ends at END or at the horizon."""
    chances, width = log_softmax(table[row]), table.shape[-1]
    for length in range(1, horizon + 1):
        for tokens in itertools.product(range(width), repeat=length):
            if END in tokens[:-1] or (tokens[-1] != END and length < horizon):
                continue
            yield log_probability(chances, tokens), tokens


def answers(decoded, row):
    """A row's hypotheses as tuples of real tokens, after checking the padding."""
    for tokens, length in zip(decoded.tokens[row], decoded.lengths[row], strict=True):
        assert (tokens[length:] == PAD).all()
        assert END not in tokens[: max(length - 1, 0)]
        yield tuple(tokens[:length].tolist())


@pytest.mark.parametrize(("width", "horizon"), [(2, 4), (3, 3), (4, 2), (5, 1)])
@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0])
def test_a_beam_wide_enough_is_exhaustive_search(width, horizon, length_penalty):
    table = random_table(6, horizon, width, seed=width)
    beams = width ** (horizon - 1)
    found = numpy_of(
        beam(*table_decoder(table), end=END, max_length=horizon, beams=beams, n_best=beams, pad=PAD,
             length_penalty=length_penalty)
    )  # fmt: skip
    for row in range(6):
        every = every_answer(table, row, horizon)
        expected = sorted(((score / len(tokens) ** length_penalty, tokens) for score, tokens in every), reverse=True)
        expected = expected[:beams]
        assert list(answers(found, row))[: len(expected)] == [tokens for _, tokens in expected]
        np.testing.assert_allclose(found.scores[row][: len(expected)], [score for score, _ in expected], rtol=1e-4)
        assert (found.scores[row][len(expected) :] == ABSENT).all()  # no more exist


@settings(deadline=None, max_examples=8, derandomize=True)
@given(seed=st.integers(0, 999), width=st.integers(2, 6), longest=st.integers(1, 5))
def test_beam_of_one_is_greedy(seed, width, longest):
    decoder = table_decoder(random_table(3, 5, width, seed))
    one = numpy_of(greedy(*decoder, end=END, max_length=longest, pad=PAD))
    other = numpy_of(beam(*decoder, end=END, max_length=longest, pad=PAD, beams=1, length_penalty=0.0))
    np.testing.assert_array_equal(one.tokens, other.tokens[:, 0])
    np.testing.assert_array_equal(one.lengths, other.lengths[:, 0])
    np.testing.assert_allclose(one.scores, other.scores[:, 0], rtol=1e-4, atol=1e-5)


def row_decoder(logits):
    """A decoder without memory: row r always offers logits[r]."""
    logits = ops.convert_to_tensor(np.asarray(logits, "float32"))
    index = np.arange(logits.shape[0], dtype="int32")
    return lambda tokens, row: (ops.take(logits, row, axis=0), row, None), ops.convert_to_tensor(index), index * 0 + 1


def sample_rows(step, state, first, **options):
    """`sample` with the seeds 0, 1, 2, …"""
    return sample(step, state, first, seeds=np.arange(first.shape[0], dtype="int32"), **options)


SEARCHES = {"greedy": greedy, "beam": functools.partial(beam, beams=4, n_best=4), "sample": sample_rows}
searches = pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())


@searches
def test_every_decode_ends_at_its_own_length(search):
    never = np.array([-50.0, 1.0, 2.0, 0.5])  # END is out of reach
    limits = np.array([1, 3, 5, 0], "int32")  # 0: at least one token
    found = numpy_of(search(*row_decoder([never] * 4), end=END, max_length=limits, pad=PAD))
    assert found.tokens.shape[-1] == 5
    assert (found.lengths == limits.clip(1).reshape(-1, *[1] * (found.lengths.ndim - 1)))[found.scores > ABSENT].all()
    scalar = numpy_of(search(*row_decoder([never] * 4), end=END, max_length=ops.convert_to_tensor(3), pad=PAD))
    assert scalar.tokens.shape[-1] == 3
    assert scalar.lengths.max() == 3


@searches
def test_the_loop_stops_when_every_row_has_ended(search):
    steps = []

    def counting(tokens, state):
        steps.append(1)
        return ops.one_hot(tokens * 0 + END, 7) * 100.0, state, None

    if keras.backend.backend() == "jax":
        pytest.skip("a traced step runs once")
    found = numpy_of(search(counting, ops.zeros((2, 1)), np.array([1, 1]), end=END, max_length=50, pad=PAD))
    assert len(steps) <= 5  # a beam of 4 wants four endings
    first = found.tokens.reshape(2, -1, 50)[:, 0]
    assert (first[:, 0] == END).all()
    assert (first[:, 1:] == PAD).all()


@pytest.mark.parametrize("search", [greedy, SEARCHES["beam"]], ids=["greedy", "beam"])
def test_neighbours_change_nothing(search):
    table = random_table(5, 8, 6, seed=3)
    limits = np.array([8, 2, 8, 5, 8], "int32")
    step, state, first = table_decoder(table)
    together = numpy_of(search(step, state, first, end=END, max_length=limits, pad=PAD))
    for row in range(5):
        alone = keras.tree.map_structure(lambda leaf, row=row: leaf[row : row + 1], state)
        one = numpy_of(search(step, alone, first[:1], end=END, max_length=int(limits[row]), pad=PAD))
        np.testing.assert_array_equal(one.tokens[0], together.tokens[row][..., : limits[row]])
        np.testing.assert_array_equal(one.lengths[0], together.lengths[row])
        np.testing.assert_allclose(one.scores[0], together.scores[row], rtol=1e-5)


@settings(deadline=None, max_examples=6, derandomize=True)
@given(seed=st.integers(0, 999), beams=st.integers(2, 6), width=st.integers(2, 5))
def test_n_best_is_sorted_without_duplicates_and_scored_by_the_model(seed, beams, width):
    table = random_table(3, 7, width, seed)
    found = numpy_of(beam(*table_decoder(table), end=END, max_length=7, beams=beams, n_best=beams, pad=PAD))
    for row in range(3):
        real = found.scores[row] > ABSENT
        assert (np.diff(found.scores[row]) <= 0).all()
        hypotheses = [tokens for tokens, there in zip(answers(found, row), real, strict=True) if there]
        assert len(set(hypotheses)) == len(hypotheses) > 0
        chances = log_softmax(table[row])
        expected = [log_probability(chances, tokens) / len(tokens) for tokens in hypotheses]
        np.testing.assert_allclose(found.scores[row][real], expected, rtol=1e-4)


@pytest.mark.parametrize("penalty", [-0.5, 0.0, 0.7, 1.0])
def test_stopping_early_changes_no_answer(penalty):
    table, calls = random_table(4, 12, 4, seed=1), []
    table[..., END] += 2  # answers end early, hypotheses stay open
    step, *rest = table_decoder(table)

    def counted(tokens, state):
        calls.append(1)
        return step(tokens, state)

    def search(n_best):
        calls.clear()
        search = beam(counted, *rest, end=END, max_length=12, beams=4, n_best=n_best, length_penalty=penalty, pad=PAD)
        return numpy_of(search), len(calls)

    whole, all_steps = search(4)  # ends when nothing can change in four answers
    for n_best in (1, 2):
        found, steps = search(n_best)
        np.testing.assert_array_equal(found.tokens, whole.tokens[:, :n_best])
        np.testing.assert_array_equal(found.scores, whole.scores[:, :n_best])
        assert steps <= all_steps
    if penalty == 0:
        assert search(1)[1] < all_steps


def test_finished_hypotheses_stay_finished():
    # After 2 the model would love to go on from END with 3; it must not, and the first answer must survive.
    table = np.full((1, 6, 4, 4), -3.0)
    table[0, 0, 1] = [2.0, -3, 1.0, -3]  # END first, or 2
    table[0, 1:, END] = [-9, -9, -9, 9.0]  # what a search that extends finished answers would see
    table[0, 1:, 2:, 3] = -1.0
    found = numpy_of(beam(*table_decoder(table), end=END, max_length=6, beams=3, n_best=3, pad=PAD, length_penalty=0.0))
    assert next(answers(found, 0)) == (END,)
    np.testing.assert_allclose(found.scores[0, 0], log_softmax(table[0, 0, 1])[END], rtol=1e-5)
    one = numpy_of(greedy(*table_decoder(table), end=END, max_length=6, pad=PAD))
    assert one.tokens[0].tolist() == [END] + [PAD] * 5
    assert one.lengths[0] == 1


def test_length_penalty_prefers_longer_answers():
    # END now: log 0.4. Or 2, 2, END with 0.6 * 0.7 * 0.7 = 0.294: worse in sum, better per token.
    table = np.log(np.array([[0.4, 1e-9, 0.6], [0.3, 1e-9, 0.7], [0.7, 1e-9, 0.3]]))[None, :, None].repeat(3, axis=2)
    short, long = (
        numpy_of(beam(*table_decoder(table), end=END, max_length=3, beams=4, length_penalty=penalty, pad=PAD))
        for penalty in (0.0, 1.0)
    )
    assert next(answers(short, 0)) == (END,)
    assert next(answers(long, 0)) == (2, 2, END)
    np.testing.assert_allclose([short.scores[0, 0], long.scores[0, 0]], [math.log(0.4), math.log(0.294) / 3], rtol=1e-5)


def test_the_best_of_a_large_vocabulary():
    rng = np.random.default_rng(0)
    for width in (700, 3000, 4096):
        logits = rng.integers(0, 60, (4, width)).astype("float32")  # full of ties
        values, tokens, normaliser = searching._best(ops.convert_to_tensor(logits), 6)
        order = np.argsort(-logits, axis=1, kind="stable")[:, :6]  # of equals the smallest id
        np.testing.assert_array_equal(tokens, order)
        np.testing.assert_array_equal(values, np.take_along_axis(logits, order, 1))
        np.testing.assert_allclose(normaliser[:, 0], np.log(np.exp(logits.astype("float64")).sum(1)), rtol=1e-6)


def test_sampling_the_likeliest_is_greedy():
    decoder = table_decoder(random_table(4, 6, 8))
    expected = numpy_of(greedy(*decoder, end=END, max_length=6, pad=PAD))
    for options in (
        {"top_k": 1},
        {"temperature": 0.0},
        {"temperature": 1e-3},
        {"top_p": 0.0},
        {"top_p": 1e-6, "top_k": 4},
    ):
        found = numpy_of(sample_rows(*decoder, end=END, max_length=6, pad=PAD, **options))
        np.testing.assert_array_equal(found.tokens, expected.tokens, err_msg=str(options))
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


CHANCES = np.array([0.05, 0.1, 0.4, 0.25, 0.2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, CHANCES),
        ({"temperature": 0.5}, CHANCES**2 / (CHANCES**2).sum()),
        ({"top_k": 2}, np.array([0, 0, 0.4, 0.25, 0]) / 0.65),
        ({"top_p": 0.6}, np.array([0, 0, 0.4, 0.25, 0]) / 0.65),  # 0.4 is not enough, 0.65 is
        ({"top_p": 0.7, "temperature": np.ones(20000, "float32")}, np.array([0, 0, 0.4, 0.25, 0.2]) / 0.85),
    ],
    ids=str,
)
def test_frequencies_match_the_distribution(options, expected):
    draws = 20000
    decoder = row_decoder(np.log(CHANCES)[None].repeat(draws, axis=0))
    found = numpy_of(sample_rows(*decoder, end=END, max_length=1, **options))
    counts = np.bincount(found.tokens[:, 0], minlength=5)
    assert (counts[expected == 0] == 0).all()
    counts, expected = counts[expected > 0], expected[expected > 0] * draws
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 18.5  # 4 degrees of freedom: exceeded once in a thousand seeds
    np.testing.assert_allclose(found.scores, np.log(CHANCES)[found.tokens[:, 0]], rtol=1e-5)


def test_a_row_draws_the_same_alone_among_others_and_at_any_place():
    table = random_table(5, 8, 6, seed=3, scale=0.5)
    limits = np.array([8, 2, 8, 5, 8], "int32")
    seeds = np.array([11, 12, 13, 11, 2**31 - 1], "int32")
    step, state, first = table_decoder(table)

    def draw(rows, longest=None):
        """The answers of these rows, in this order, as tuples of tokens."""
        rows = np.array(rows)
        part = keras.tree.map_structure(lambda leaf: ops.take(leaf, rows, axis=0), state)
        limit = limits[rows] if longest is None else np.minimum(limits[rows], longest)
        options = {"end": END, "pad": PAD, "top_k": 5, "top_p": 0.95}
        found = numpy_of(sample(step, part, first[rows], seeds=seeds[rows], max_length=limit, **options))
        return [tuple(tokens[:length]) for tokens, length in zip(found.tokens, found.lengths, strict=True)]

    together = draw([0, 1, 2, 3, 4])
    assert draw([4, 3, 2, 1, 0]) == together[::-1]
    for row in range(5):
        assert draw([row]) == [together[row]], "alone, with another largest max_length"
        assert draw([row], longest=1)[0] == together[row][:1]


def test_seeds_repeat_and_differ():
    decoder = row_decoder(np.zeros((50, 20)))
    draw = lambda start: sample(  # noqa: E731
        *decoder, end=END, max_length=4, seeds=np.arange(start, start + 50, dtype="int32")
    )
    one, again, other = (numpy_of(draw(start)).tokens for start in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(one[1:], other[:-1])  # the seed decides, not the place
    assert (one != other).any()
    assert len(np.unique(one[:, 0])) > 10  # rows with different seeds do not share a draw


V, T = 8, 5
LIMITS = np.array([6, 3, 6, 4], "int32")


def attention_decoder(**options):
    random.seed(3)
    layer = AttentionDecoder(V, units=7, embedding_dim=7, **options)
    rng = np.random.default_rng(0)
    memory = ops.convert_to_tensor(rng.normal(size=(4, T, 7)).astype("float32"))
    keep = ops.convert_to_tensor(np.arange(T) < np.array([[5], [2], [4], [1]]))
    layer(np.ones((4, 2), "int32"), memory, keep)
    for weight in layer.trainable_weights:
        weight.assign(rng.normal(scale=1.0, size=weight.shape))
    return layer, memory, keep


@pytest.mark.slow
@searches
@pytest.mark.parametrize("options", [{"input_feeding": True, "cell": "lstm"}, {"attend": "before"}], ids=str)
def test_scores_and_attention_are_those_of_stepping_through_the_answer(search, options):
    layer, memory, keep = attention_decoder(**options)
    first = np.ones(4, "int32")
    options = {"end": END, "max_length": LIMITS, "pad": PAD, "positions": T}
    found = numpy_of(search(layer.stepper(memory, keep), layer.start(memory, keep), first, **options))
    is_beam = found.tokens.ndim == 3
    for n in range(found.tokens.shape[1] if is_beam else 1):
        tokens, lengths, scores, weights = (part[:, n] if is_beam else part for part in found)
        state, last, total = layer.start(memory, keep), first, np.zeros(4)
        for t in range(tokens.shape[1]):
            logits, state, expected = layer.step(last, state, memory, keep)
            inside = t < lengths
            np.testing.assert_allclose(weights[inside, t], ops.convert_to_numpy(expected)[inside], rtol=1e-3, atol=1e-5)
            assert (weights[~inside, t] == 0).all()
            last = np.where(inside, tokens[:, t], 1)
            total += np.where(inside, log_softmax(ops.convert_to_numpy(logits))[np.arange(4), last], 0)
        there = scores > ABSENT
        np.testing.assert_allclose(scores[there], (total / (lengths if is_beam else 1))[there], rtol=1e-3, atol=1e-4)


def test_decoder_beam_of_one_is_greedy_and_wider_is_no_worse():
    layer, memory, keep = attention_decoder()

    def search(how, **options):
        first = np.ones(4, "int32")
        return numpy_of(
            how(layer.stepper(memory, keep), layer.start(memory, keep), first, end=END, max_length=5, **options)
        )

    one, same = search(greedy), search(beam, beams=1, length_penalty=0.0)
    np.testing.assert_array_equal(one.tokens, same.tokens[:, 0])
    wide = search(beam, beams=V**2, length_penalty=0.0)
    assert (wide.scores[:, 0] >= one.scores - 1e-5).all()


SERVE = """
import json, sys
import numpy as np, tensorflow as tf
served = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
for path in sys.argv[2:]:
    with np.load(path) as inputs:
        answer = served(**{name: tf.constant(inputs[name]) for name in inputs})
    print(json.dumps({name: value.numpy().tolist() for name, value in answer.items()}))
"""


@pytest.mark.slow
@on_tensorflow
def test_exports_with_stock_ops_for_any_batch_and_length(tmp_path):
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    layer, memory, keep = attention_decoder()
    module = tf.Module()
    module.decoder = layer

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 7], tf.float32, "memory"),
            tf.TensorSpec([None, None], tf.bool, "keep_mask"),
            tf.TensorSpec([None], tf.int32, "max_length"),
            tf.TensorSpec([None], tf.int64, "seeds"),
        ]
    )
    def serve(memory, keep_mask, max_length, seeds):
        first = tf.ones([tf.shape(memory)[0]], tf.int32)
        step, positions = layer.stepper(memory, keep_mask), tf.shape(memory)[1]
        common = {"end": END, "max_length": max_length, "positions": positions}
        best = beam(step, layer.start(memory, keep_mask), first, beams=3, n_best=2, **common)
        drawn = sample(step, layer.start(memory, keep_mask), first, seeds=seeds, top_k=3, top_p=0.9, **common)
        return {f"{name}_{key}": value for name, decoded in (("beam", best), ("sample", drawn))
                for key, value in decoded._asdict().items()}  # fmt: skip

    module.serve = serve
    tf.saved_model.save(module, str(tmp_path / "served"), signatures={"serving_default": serve})
    saved = saved_model_pb2.SavedModel.FromString((tmp_path / "served" / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    names = {node.op for node in nodes}
    assert not [name for name in names if name.startswith("Xla") or "PyFunc" in name or "Cudnn" in name]

    requests = []
    for batch, positions in ((1, 2), (4, T)):
        requests.append({"memory": ops.convert_to_numpy(memory)[:batch, :positions],
                         "keep_mask": ops.convert_to_numpy(keep)[:batch, :positions],
                         "max_length": LIMITS[:batch],
                         "seeds": np.arange(batch) + 2**40})  # fmt: skip
        np.savez(tmp_path / f"{batch}.npz", **requests[-1])
    command = [sys.executable, "-c", SERVE, *(str(tmp_path / name) for name in ("served", "1.npz", "4.npz"))]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    lines = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.splitlines()
    for line, request in zip(lines, requests, strict=True):
        answer, (batch, positions) = json.loads(line), request["keep_mask"].shape
        part, mask = ops.convert_to_tensor(request["memory"]), ops.convert_to_tensor(request["keep_mask"])
        here = numpy_of(
            beam(layer.stepper(part, mask), layer.start(part, mask), np.ones(batch, "int32"), end=END,
                 max_length=request["max_length"], beams=3, n_best=2, positions=positions)
        )  # fmt: skip
        assert answer["beam_tokens"] == here.tokens.tolist()
        assert answer["beam_lengths"] == here.lengths.tolist()
        np.testing.assert_allclose(answer["beam_scores"], here.scores, rtol=1e-4)
        np.testing.assert_allclose(answer["beam_weights"], here.weights, atol=1e-5)
        here = numpy_of(
            sample(layer.stepper(part, mask), layer.start(part, mask), np.ones(batch, "int32"), end=END, top_k=3,
                   top_p=0.9, max_length=request["max_length"], seeds=request["seeds"])
        )  # fmt: skip
        assert answer["sample_tokens"] == here.tokens.tolist()


def test_n_best_beyond_the_beam_is_refused():
    with pytest.raises(ValueError, match=r"from 1 to beams \(5\), got 6"):
        beam(*row_decoder(np.zeros((1, 3))), end=END, max_length=2, n_best=6)
