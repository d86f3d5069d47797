"""What TF Serving reads beside a model: requests to warm up with, how to batch, and the list of models.

    saved_models/models.config                                     --model_config_file
    saved_models/TASK/VERSION/assets.extra/tf_serving_warmup_requests
    saved_models/TASK/VERSION/batching_params.pbtxt                --enable_per_model_batching_parameters

https://www.tensorflow.org/tfx/serving/saved_model_warmup, https://www.tensorflow.org/tfx/serving/serving_config
"""

import os
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

ROOT = "/models"  # where the server sees the folder of all models; Docker's -v maps it


def write_warm_up(model_dir: Path, name: str, requests: Iterable[tuple[str, dict[str, tf.Tensor]]]) -> None:
    """Writes requests that the server answers before it is ready, so that no client waits for what is lazy.

    Args:
        name: the model's, as the server has it.
        requests: signatures and their inputs. One that failed would keep the model from being served.
    """
    path = model_dir / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir()
    with tf.io.TFRecordWriter(os.fspath(path)) as file:
        for signature, inputs in requests:
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(name=name, signature_name=signature),
                inputs={key: tf.make_tensor_proto(value) for key, value in inputs.items()},
            )
            log = prediction_log_pb2.PredictLog(request=request)
            file.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())


def write_batching(model_dir: Path, specs: Iterable[tf.TensorSpec]) -> None:
    """Lets the server put requests together, where no input has rows of different sizes.

    There it cannot: it would pad a batch with the first value of each request, a first word, say, where the model
    expects none. Clients of such a model send batches themselves.
    """
    if all(spec.shape[1:].is_fully_defined() for spec in specs):
        values = {"max_batch_size": 64, "batch_timeout_micros": 1000, "max_enqueued_batches": 1000}
        lines = [f"{key} {{ value: {value} }}\n" for key, value in values.items()]
        (model_dir / "batching_params.pbtxt").write_text("".join(lines), encoding="utf-8")


def models_config(folder: Path, root: str = ROOT) -> str:
    """The list of the models that have a version in `folder`, each by the name of its task."""
    names = sorted({path.parts[-3] for path in folder.glob("*/*/saved_model.pb") if path.parts[-2].isdecimal()})
    entries = (
        f'  config {{ name: "{name}" base_path: "{root}/{name}" model_platform: "tensorflow" }}\n' for name in names
    )
    return f"# Written anew by every export.\nmodel_config_list {{\n{''.join(entries)}}}\n"
