"""TF Serving itself on loopback, and the clients of clients/; skipped where there is no `tensorflow_model_server`."""

import base64
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, suppress
from pathlib import Path

import grpc
import numpy as np
import pytest

from clients import ask_grpc, ask_rest
from tests.conftest import Trained
from tests.export.test_tf_serving import assert_same
from zoo.answers.service import row
from zoo.export import tf_serving

SERVER = shutil.which("tensorflow_model_server")
pytestmark = pytest.mark.skipif(not SERVER, reason="tensorflow_model_server is not on the PATH")


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def server(trained: Trained, tmp_path_factory):
    """The addresses, "rest" and "grpc", of a server that has the task's export."""
    folder = trained.version.parent.parent
    config = tmp_path_factory.mktemp("server") / "models.config"
    config.write_text(tf_serving.models_config(folder, str(folder)))
    rest, port = free_port(), free_port()
    flags = [f"--model_config_file={config}", f"--rest_api_port={rest}", f"--port={port}", "--enable_batching"]
    process = subprocess.Popen([SERVER, *flags, "--enable_per_model_batching_parameters"])
    try:
        deadline = time.monotonic() + 60
        while not ready(f"http://localhost:{rest}/v1/models/{trained.run.name}"):
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server is not ready after a minute"
            time.sleep(0.1)
        yield {"rest": f"localhost:{rest}", "grpc": f"localhost:{port}"}
    finally:
        process.terminate()
        process.wait()


def ready(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=1) as reply:
        return "AVAILABLE" in {version["state"] for version in json.load(reply)["model_version_status"]}
    return False


@pytest.fixture(scope="module")
def questions(trained: Trained) -> dict[str, list[dict]]:
    service = trained.run.service
    return {name: [service.trial(name, e) for e in trained.run.first_examples(3)] for name in service.functions}


def test_both_clients_get_what_predict_answers(trained, server, questions):
    for signature, rows in questions.items():
        inputs, _ = trained.run.service.ask(signature, rows)
        of_grpc = ask_grpc.ask(trained.run.name, inputs, signature=signature, address=server["grpc"])
        instances = [{name: as_json(values[i]) for name, values in inputs.items()} for i in range(len(rows))]
        of_rest = ask_rest.ask(trained.run.name, instances, signature=signature, address=server["rest"])
        of_rest = {name: np.array([answer[name] for answer in of_rest]) for name in of_rest[0]}
        for i, want in enumerate(trained.run.predict(rows, signature=signature)):
            assert_same(row(of_grpc, i), want)
            assert_same(row(of_rest, i), want)


def as_json(value) -> object:
    """A row of an input as a REST request has it."""
    if isinstance(value, np.ndarray):
        return [as_json(item) for item in value]
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return value.item()


@pytest.mark.parametrize("interface", ["rest", "grpc"])
def test_clients_are_programs(trained, server, questions, interface, tmp_path):
    (name, value), *_ = trained.run.service.ask("serving_default", questions["serving_default"][:1])[0].items()
    (tmp_path / "input").write_bytes(value.ravel()[0])
    question = f"{name}={json.dumps([word.decode() for word in value[0]])}" if value.ndim > 1 else f"{name}=@input"
    program = Path(ask_rest.__file__).with_name(f"ask_{interface}.py")
    done = subprocess.run(
        [sys.executable, program, trained.run.name, question, f"--address={server[interface]}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    answer = json.loads(done.stdout)
    (want,) = trained.run.predict(questions["serving_default"][:1])
    assert_same({key: answer[key] for key in want}, want)


def test_a_bad_request_is_refused_and_the_next_is_answered(trained, server, questions):
    inputs, _ = trained.run.service.ask("serving_default", questions["serving_default"][:1])
    options = {"signature": "serving_default"}
    with pytest.raises(RuntimeError):
        ask_rest.ask(trained.run.name, [{"nothing": 1}], **options, address=server["rest"])
    with pytest.raises(grpc.RpcError):
        ask_grpc.ask(trained.run.name, {name: [1.5] for name in inputs}, **options, address=server["grpc"])
    assert ask_grpc.ask(trained.run.name, inputs, **options, address=server["grpc"])
