"""The hardware and software that a run uses: backend, accelerator, precision, threads, replicas, processes."""

import contextlib
import ctypes
import platform
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.data.batching import Batch
from zoo.errors import InputError
from zoo.layers.recurrent import LSTM, cores, recurrent_path


@dataclass(frozen=True)
class Device:
    """The hardware and software that a run uses; stored with the results."""

    device: str  # "CPU" or the accelerator's name
    cpu: str
    threads: int
    backend: str
    precision: str
    replicas: int  # the number of devices that share every batch
    recurrence: str  # the path of the recurrent layers and its reason, see zoo.layers.recurrent

    def __str__(self) -> str:
        shared = f", batches shared by {self.replicas} devices" if self.replicas > 1 else ""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        computes = f"{self.device} ({self.cpu}, {threads}), Keras on {self.backend}, {self.precision}"
        return f"{computes}{shared}"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def describe(precision: str, *, compiled: bool = False) -> Device:
    """The devices and the precision of this process; `compiled`: XLA compiles the recurrent loops of training."""
    backend = keras.backend.backend()
    accelerators = [name for name in keras.distribution.list_devices() if not name.lower().startswith("cpu")]
    path = recurrent_path(LSTM(1, dtype=precision))
    xla = ", compiled with XLA in training" if path == "fast" and compiled else ""
    gpu = "on a GPU; with JAX only LSTM, others keras" if backend == "jax" else "on a GPU"
    why = {"cudnn": gpu, "fast": "on a CPU in float32", "keras": "with JAX" if backend == "jax" else precision}
    how = f"{path} ({why[path]}){xla}"
    return Device(", ".join(accelerators) or "CPU", _cpu(), cores(), backend, precision, replicas(), how)


def keep_freed_memory() -> None:
    """Tells glibc to keep freed memory instead of returning it to the system.

    A training step frees and allocates hundreds of megabytes, and every new page costs a page fault (language model of
    30,000 words, 200 steps: 113 s without, 74 s with). TensorFlow's generator data set sets a threshold of 128 kB when
    it starts to read, which undoes this, so `callbacks.KeepMemory` calls it again.
    """
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # malloc.h
    with contextlib.suppress(AttributeError, OSError, TypeError):  # a C library other than glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 32 * 2**20)  # the largest value that an older glibc allows
        mallopt(mmap_threshold, 2**30)
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(top_pad, 2**28)


def join(coordinator: str, processes: int | None, process: int | None) -> None:
    """Joins this process with others that train together, on one machine or several. Call it before Keras computes.

    Args:
        coordinator: host:port of process 0. "auto" takes all three from Slurm or Kubernetes (`jax.distributed`).
        processes: the number of processes.
        process: the number of this process, from 0.
    Raises:
        InputError: the backend is not JAX, a number is missing, or the other processes cannot be reached.
    """
    if keras.backend.backend() != "jax":
        raise InputError(
            f"--coordinator needs KERAS_BACKEND=jax, this is {keras.backend.backend()}: TensorFlow's strategy for "
            "several machines fails in Keras 3 (https://github.com/keras-team/keras/issues/20585)"
        )
    if coordinator != "auto" and (processes is None or process is None or not 0 <= process < processes):
        raise InputError(
            f"--coordinator {coordinator}: expected --num-processes N and --process-id 0 to N-1, or --coordinator auto"
        )
    automatic = coordinator == "auto"
    try:
        keras.distribution.initialize(None if automatic else coordinator, processes, process)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"--coordinator {coordinator}: {str(error).splitlines()[0]}") from error


def share() -> tuple[int, int]:
    """The part of every batch that this process reads, from 0, and the number of parts."""
    if keras.backend.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def writes() -> bool:
    """Whether this process writes the run directory. Only the first process does."""
    return share()[0] == 0


_strategy: Any = None  # tf.distribute.MirroredStrategy where several devices share each batch


def replicas() -> int:
    """The number of devices that share every batch."""
    if _strategy is not None:
        return _strategy.num_replicas_in_sync
    distribution = keras.distribution.distribution()
    return int(distribution.device_mesh.devices.size) if distribution else 1


def scope() -> contextlib.AbstractContextManager:
    """The context to build a model in, so that it trains on all replicas."""
    return _strategy.scope() if _strategy is not None else contextlib.nullcontext()


def sum_over_replicas(tensors: list) -> tuple[list, int]:
    """Sums each tensor over the replicas that run this step; None stays None. Also gives the number of replicas.

    On JAX a step sees the whole batch, so there is nothing to sum and the number is 1.
    """
    if keras.backend.backend() != "tensorflow":
        return tensors, 1
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensors, 1
    present = [tensor for tensor in tensors if tensor is not None]
    summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
    return [None if tensor is None else next(summed) for tensor in tensors], context.num_replicas_in_sync


def _share_batches() -> None:
    """Has all GPUs, or else all CPU devices, share every batch."""
    global _strategy
    _strategy = None
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        if len(devices) > 1:
            _strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    elif len(keras.distribution.list_devices()) > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def compiles_loops(jit: str, planned: Sequence[Batch], epochs: int) -> bool:
    """Decides whether XLA compiles the recurrent loops of a training: "on", "off", or "auto", where that pays.

    Compiling takes about a second for each shape, and a compiled loop saves about 0.2 ms of each time step, whatever
    the width (benchmarks/results.json). Only the plan decides: a run that is resumed computes as it did before.
    """
    time_steps = epochs * sum(batch.edges[0] for batch in planned)
    shapes = len({(len(batch.rows), batch.edges) for batch in planned})
    return jit == "on" or (jit == "auto" and time_steps >= 10_000 * shapes)


def prepare(*, precision: str, seed: int) -> Device:
    """Sets precision, devices and all random seeds. Call it before a model is built.

    All GPUs, or else all CPU devices, share each batch; CUDA_VISIBLE_DEVICES selects the GPUs.
    """
    keras.config.set_dtype_policy(precision)
    _share_batches()
    keep_freed_memory()
    # Keras draws the seeds of layers and initializers from Python's generator. keras.utils.set_random_seed would also
    # set TensorFlow's seed, which empties the kernel cache, and with it every SentencePiece model of this process.
    random.seed(seed)
    np.random.seed(seed)
    return describe(precision)
