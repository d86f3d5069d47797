"""Service: questions of any kind find their signature, and come back as plain Python without padding."""

import keras
import numpy as np
import pytest

from zoo.answers.service import Service, row, to_python
from zoo.errors import InputError

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="signatures are TensorFlow's")


@pytest.fixture(scope="module")
def service():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def shout(text):
        return {"loud": tf.strings.upper(tf.io.decode_base64(text))}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32, name="ids")])
    def double(ids):
        return {"twice": 2 * ids, "lengths": tf.math.count_nonzero(ids, axis=1)}

    return Service(tf.Module(), serving_default=shout, double=double)


def test_each_question_goes_to_the_signature_that_it_fits(service):
    questions = ["YQ", [1, 2, 3], {"text": "Yg", "label": 1}, [4]]
    answers = [{"loud": "A"}, {"twice": [2, 4, 6]}, {"loud": "B"}, {"twice": [8]}]
    for batch in (1, 64):
        assert service.answer(questions, batch=batch) == answers


def test_a_question_without_an_answer_is_named(service):
    with pytest.raises(InputError, match=r"^input 2 of 3: Invalid character found in base64$"):
        service.answer(["YQ", "?!", "Yg"])
    with pytest.raises(InputError, match=r"no answer to .*'other': 1.*: it takes serving_default: text; double: ids"):
        service.answer([{"other": 1}])


@pytest.mark.parametrize("question", [3, {"text": 3}, ["a", "b"]])
def test_a_value_of_another_type_is_refused(service, question):
    with pytest.raises(InputError, match=r"no answer to .*takes (text string|ids int32)"):
        service.answer([question])


def test_lengths_cut_the_padding_off():
    arrays = {
        "tags": np.array([[b"N", b"V"], [b"N", b""]], object),
        "lengths": np.array([2, 1]),
        "grid": np.arange(8.0).reshape(2, 2, 2),
        "grid_lengths": np.array([[2, 2], [1, 2]]),
        "score": np.array([0.5, 1.5]),
        "span_type": np.array([[b"A", b""], [b"", b""]], object),
        "span_lengths": np.array([1, 0]),
    }
    assert row(arrays, 1) == {"tags": ["N"], "grid": [[4.0, 5.0]], "score": 1.5, "span_type": []}


def test_to_python():
    assert to_python([np.float32(0.5), np.array([b"\xc3\xb6", b"\xff"], object), "x"]) == [
        0.5,
        ["\u00f6", "\ufffd"],
        "x",
    ]
