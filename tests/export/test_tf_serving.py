"""Exported models in the loader of TF Serving, in a process without TensorFlow's Python, Keras or the zoo."""

from contextlib import suppress

import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from tests.conftest import Trained
from zoo.answers.service import Service, row
from zoo.data.samples import tagged_sentences
from zoo.export import loader, proof, publish, tf_serving
from zoo.tasks import pos_tagging

MANY = 64


@pytest.fixture(scope="module")
def served(trained: Trained):
    with loader.Model(trained.version) as model:
        yield model


@pytest.fixture(scope="module")
def questions(trained: Trained) -> dict[str, list[dict]]:
    """Of every signature, many rows of inputs from the test split."""
    examples = list(trained.run.test)
    examples = [examples[i % len(examples)] for i in range(MANY)]
    service = trained.run.service
    return {name: [service.trial(name, example) for example in examples] for name in service.functions}


def ask(served: loader.Model, trained: Trained, signature: str, rows: list[dict]) -> list[dict]:
    """A batch as a server answers it, row by row."""
    inputs, _ = trained.run.service.ask(signature, rows)
    answers = served(signature, **inputs)
    return [row(answers, i) for i in range(len(rows))]


def assert_same(got: dict, want: dict) -> None:
    assert got.keys() == want.keys()
    for name in want:
        if np.asarray(want[name]).dtype.kind == "f":
            assert proof.close(np.array([got[name]]), np.array([want[name]])).all(), (got[name], want[name])
        else:
            assert got[name] == want[name], name


def test_every_signature_answers_as_predict(trained, served, questions):
    assert served.signatures.keys() == trained.run.service.functions.keys()
    for signature, rows in questions.items():
        answers = ask(served, trained, signature, rows)
        for got, want in zip(answers, trained.run.predict(rows, signature=signature, batch=7), strict=True):
            assert_same(got, want)


def test_a_batch_of_one_is_answered_as_in_a_batch_of_many(trained, served, questions):
    for signature, rows in questions.items():
        together = ask(served, trained, signature, rows)
        for i in (0, 1, MANY // 2, MANY - 1):
            assert_same(ask(served, trained, signature, [rows[i]])[0], together[i])


def test_every_server_has_what_the_graph_needs(served):
    assert {"Placeholder", "ReadVariableOp", "MatMul"} <= set(served.operations), "functions are looked into"
    assert not [name for name in served.operations if proof.UNSERVABLE.match(name)]
    assert not served.without_cpu_kernel
    assert not served.xla_functions


def save(module: tf.Module, function, folder) -> None:
    module.function = tf.function(function, input_signature=[tf.TensorSpec([None, 2], name="x")])
    tf.saved_model.save(module, folder, signatures=module.function)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("EagerPyFunc", lambda x: {"y": tf.ensure_shape(tf.py_function(lambda t: t, [x], tf.float32), [None, 2])}),
        (
            "CudnnRNNV2",
            lambda x: {"y": tf.raw_ops.CudnnRNNV2(input=x[None], input_h=x[None], input_c=x[None], params=x[0]).output},
        ),
        ("__inference", lambda x: {"y": tf.function(lambda t: t + 1, jit_compile=True)(x)}),
    ],
)
def test_a_graph_that_not_every_server_can_run_is_refused(tmp_path, name, function):
    save(tf.Module(), function, tmp_path)
    with pytest.raises(RuntimeError, match=f"the graph holds .*{name}"):
        proof.prove(tmp_path, {})


def test_weights_that_a_server_does_not_find_are_noticed(tmp_path):
    """Keras 3.15.1: a model that a module tracks is found by Python's loader alone."""
    module, x = tf.Module(), np.ones([1, 2], "float32")
    module.model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    save(module, lambda x: {"y": module.model(x)}, tmp_path)
    want = module.function(tf.constant(x))["y"].numpy()
    np.testing.assert_allclose(tf.saved_model.load(tmp_path).signatures["serving_default"](x=tf.constant(x))["y"], want)
    with pytest.raises(RuntimeError, match=r"a server cannot answer.*Could not find variable"):
        proof.prove(tmp_path, {"serving_default": ({"x": x}, {"y": want})})


def bad_values(good: np.ndarray) -> list[np.ndarray]:
    """Other dtypes, ranks and sizes than `good`'s, none at all, and of strings all that a text can be."""
    strings = good.dtype.kind == "O"
    bad = [np.ones(good.shape, "int32") if strings else np.full(good.shape, b"1", object), np.ones(good.shape, bool)]
    bad += [good[None], good[0], good.ravel()[0], good[:0], good[..., :0], good[:1]]
    if strings:
        texts = (b"", b" ", b"\xff\xfe", b"a\0b", b"\xf0\x9f\x98", "\U0001f600 שלום".encode(), b"w " * 9_999)
        bad += [np.full(good.shape, text, object) for text in texts]
    return list(map(np.asarray, bad))


def test_bad_requests_get_a_status_or_an_answer_and_so_does_the_next(trained, served, questions):
    for signature, rows in questions.items():
        inputs, _ = trained.run.service.ask(signature, rows[:2])
        want = ask(served, trained, signature, rows[:2])
        for name, good in inputs.items():
            for bad in bad_values(good):
                with suppress(loader.Refused):
                    answer = served(signature, **{**inputs, name: bad})
                    assert answer.keys() == served.signatures[signature]["outputs"].keys()
                for one, other in zip(ask(served, trained, signature, rows[:2]), want, strict=True):
                    assert_same(one, other)


def test_what_cannot_be_answered_says_why(trained, served, questions):
    inputs, _ = trained.run.service.ask("serving_default", questions["serving_default"][:2])
    name, good = next(iter(inputs.items()))
    wrong = np.ones(good.shape, "float32") if good.dtype == object else np.full(good.shape, b"1", object)
    with pytest.raises(
        loader.Refused, match=r"^3: Expects arg\[\d\] to be (string but float|float but string) is provided"
    ):
        served(**{**inputs, name: wrong})
    with pytest.raises(loader.Refused, match="expected"):
        served(other=good)


def test_words_are_tagged_as_they_come_as_in_the_whole_sentence(tmp_path):
    """Two sentences at once, a word of each a request; the state travels with the requests."""
    cfg = pos_tagging.Config(bidirectional=False, output="softmax", units=6, embedding=6, layers=2, characters="none")
    codec = pos_tagging.codec(cfg, sentences := list(tagged_sentences.examples("train"))[:50])
    service = pos_tagging.serve(cfg, codec, model := pos_tagging.model(cfg, codec))
    stream = Service(codec, model, stream=service.functions["stream"])
    publish.write(stream, tmp_path, name="stream", samples=sentences[:2])
    tokens = [sentence["tokens"] for sentence in sentences if len(sentence["tokens"]) >= 6][:2]
    whole = service(tokens=tf.constant([row[:6] for row in tokens]))
    with loader.Model(tmp_path) as served:
        state = np.zeros([2, 2 * 2 * 6], "float32")  # layers × (h and c) × units
        for t in range(6):
            word = np.array([row[t] for row in tokens], object)
            answer = served("stream", token=word, state=state)
            state = answer["state"]
            np.testing.assert_array_equal(answer["tag"], whole["tags"][:, t])
            np.testing.assert_allclose(answer["probability"], whole["probabilities"][:, t], atol=1e-5)


def test_only_what_reads_forward_and_tags_alone_can_be_fed_word_by_word():
    sentences = list(tagged_sentences.examples("train"))[:5]
    for options in ({}, {"bidirectional": False}, {"output": "softmax"}):
        cfg = pos_tagging.Config(units=4, embedding=4, **options)
        codec = pos_tagging.codec(cfg, sentences)
        assert "stream" not in pos_tagging.serve(cfg, codec, pos_tagging.model(cfg, codec)).functions


def test_requests_to_warm_up_with_are_answered(trained, served):
    """One that failed would keep the server from serving the model."""
    warm = set()
    for record in tf.data.TFRecordDataset(trained.version / "assets.extra" / "tf_serving_warmup_requests"):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        assert request.model_spec.name == trained.run.name
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        assert served(request.model_spec.signature_name, **inputs)
        warm |= {(request.model_spec.signature_name, len(value)) for value in inputs.values()}
    assert warm == {(signature, rows) for signature in served.signatures for rows in (1, 8)}


def test_a_server_puts_requests_together_where_rows_are_alike(trained):
    """It pads others with their first value, which is no padding of ours."""
    service = trained.run.service
    specs = [spec for signature in service.functions for spec in service.inputs_of(signature).values()]
    alike = all(spec.shape[1:].is_fully_defined() for spec in specs)
    assert (trained.version / "batching_params.pbtxt").exists() == alike


def test_the_list_of_models_names_what_has_a_version(trained, tmp_path):
    folder = trained.version.parent.parent
    config = text_format.Parse(tf_serving.models_config(folder), model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == (trained.run.name, f"/models/{trained.run.name}")
    assert (folder / "models.config").read_text() == tf_serving.models_config(folder)
    for path in ("a/1/saved_model.pb", "b/.exporting-1/saved_model.pb", "c/2/saved_model.pb", "c/3/saved_model.pb"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    config = text_format.Parse(tf_serving.models_config(tmp_path, "/x"), model_server_config_pb2.ModelServerConfig())
    assert [model.base_path for model in config.model_config_list.config] == ["/x/a", "/x/c"]


def test_values_survive_the_way_to_the_other_process():
    for array in (np.array([[b"\xff\x00", "ö".encode()]], object), np.ones([2, 0], "int32"), np.float32(0.1)):
        back = loader.unpack(loader.pack(array))
        np.testing.assert_array_equal(back, array)
        assert back.dtype == np.asarray(array).dtype
