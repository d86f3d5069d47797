"""Seconds until the first answer: the list of tasks, the help of a task, the first optimizer step on the sample."""

import subprocess
import sys

PEERS = ("zoo",)
# Ends the run as soon as the first step is done.
FIRST_STEP = """
import os, tempfile
import keras
import zoo
from zoo.training import callbacks
class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        os._exit(0)
for_run = callbacks.for_run
def stopping(*args, **kwargs):
    watch = for_run(*args, **kwargs)
    watch.callbacks.append(Stop())
    return watch
callbacks.for_run = stopping
zoo.train("sentiment", run_dir=tempfile.mkdtemp())
"""
COMMANDS = {
    "python -m zoo": ["-m", "zoo"],
    "help of a task": ["-m", "zoo.tasks.sentiment", "--help"],
    "first step": ["-c", FIRST_STEP],
}


def cases(quick: bool) -> list[dict]:
    return [{}]


def limits(case: dict) -> dict[str, float]:
    """Seconds."""
    return {"python -m zoo": 1.0, "help of a task": 1.0, "first step": 15.0}


def calls(peer: str, case: dict) -> dict:
    def run(arguments):
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

    return {name: lambda arguments=arguments: run(arguments) for name, arguments in COMMANDS.items()}
