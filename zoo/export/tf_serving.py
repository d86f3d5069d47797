"""The files that TF Serving reads beside a model: warm-up requests, batching parameters, and the list of models.

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

ROOT = "/models"  # the server's path of the folder of all models; Docker's -v maps it


def write_warm_up(model_dir: Path, name: str, requests: Iterable[tuple[str, dict[str, tf.Tensor]]]) -> None:
    """Writes requests that the server answers before it is ready, so that no client waits for lazy initialisation.

    Args:
        name: the model's name on the server.
        requests: signatures and their inputs. If one failed, the server would not serve the model.
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
    """Lets the server join requests into batches, unless rows of an input differ in size.

    Such rows it would pad with the first value of each request, for example with its first word, where the model
    expects "". Clients of such a model send batches themselves.

    Args:
        specs: all inputs of all signatures.
    """
    if all(spec.shape[1:].is_fully_defined() for spec in specs):
        values = {"max_batch_size": 64, "batch_timeout_micros": 1000, "max_enqueued_batches": 1000}
        lines = [f"{key} {{ value: {value} }}\n" for key, value in values.items()]
        (model_dir / "batching_params.pbtxt").write_text("".join(lines), encoding="utf-8")


def models_config(folder: Path, root: str = ROOT) -> str:
    """The list of the models that have a version in `folder`, in the server's format; their names are the tasks'."""
    names = sorted({path.parts[-3] for path in folder.glob("*/*/saved_model.pb") if path.parts[-2].isdecimal()})
    entries = (
        f'  config {{ name: "{name}" base_path: "{root}/{name}" model_platform: "tensorflow" }}\n' for name in names
    )
    return f"# Every export writes this file anew.\nmodel_config_list {{\n{''.join(entries)}}}\n"
