"""Times exports in TF Serving's loader: latency, throughput, size, and the overhead over the model.

    python -m benchmarks.serving runs/sentiment/1 runs/pos_tagging/1 …

A fresh export of each run answers raw inputs of the run's own data, one per request (p50 and p99) and in batches
(rows per second in the best batch). The bare model, ids in and scores out, is saved and timed in the same way; the
overhead is the ratio of the medians. If an answer takes many calls of the model, the bare call is the same function in
the process that built it. The network and the server's own work come on top. Writes serving.json and a table,
serving.md.
"""

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import tensorflow as tf

import zoo
from zoo.answers.service import Service
from zoo.export import loader, publish, small_devices

BATCHES = (1, 2, 4, 8, 16, 32, 64)
HERE = Path(__file__).parent


def percentile(seconds: list[float], share: int) -> float:
    return 1e3 * float(np.percentile(seconds, share))


@contextlib.contextmanager
def bare(run, requests: list[dict], folder: Path) -> Iterator[tuple[str, Callable[[int, int], list[float]]]]:
    """The call that the export is compared with: its name, and a function (request, times) → its seconds."""
    if not run.service.numeric:

        def asked(row: int, times: int) -> list[float]:
            inputs, seconds = {name: tf.constant(value) for name, value in requests[row].items()}, []
            for _ in range(times):
                start = time.perf_counter()
                tf.nest.map_structure(lambda tensor: tensor.numpy(), run.service(**inputs))
                seconds.append(time.perf_counter() - start)
            return seconds

        yield "the function", asked
        return
    specs = [tf.TensorSpec([None, *x.shape[1:]], x.dtype, name=x.name) for x in run.model.inputs]

    @tf.function(input_signature=specs)
    def call(*inputs):
        named = {spec.name: value for spec, value in zip(specs, inputs, strict=True)}
        return {"outputs": run.model(small_devices.structured(run.model, named), training=False)}

    service = Service(run.codec, run.model, serving_default=call)
    tf.saved_model.save(service, str(folder), signatures=call, options=publish.NO_GRADIENTS)
    ids = small_devices.encoded(run, len(requests))
    with loader.Model(folder) as model:
        yield "the model", lambda row, times: model.seconds("serving_default", times, **ids[row])


def measure(run, *, rows: int, times: int) -> dict:
    """One record. The export and the bare call take turns, request by request."""
    examples = [run.service.trial("serving_default", example) for example in run.first_examples(rows)]
    requests = [run.service.ask("serving_default", [example])[0] for example in examples]
    with tempfile.TemporaryDirectory() as folder:
        version = run.export(folder)
        size = sum(path.stat().st_size for path in version.rglob("*"))
        with bare(run, requests, Path(folder) / "bare") as (name, asked), loader.Model(version) as model:
            start = time.perf_counter()
            model(**requests[0])
            first = time.perf_counter() - start
            single, compared = [], []
            for row, request in enumerate(requests):  # the first of each warms up
                single += model.seconds("serving_default", times + 1, **request)[1:]
                compared += asked(row, times + 1)[1:]
            a_second = {}
            for batch in BATCHES:
                inputs, _ = run.service.ask("serving_default", [examples[i % len(examples)] for i in range(batch)])
                model.seconds("serving_default", 2, **inputs)
                a_second[batch] = batch / statistics.median(model.seconds("serving_default", times, **inputs))
            load = model.load_seconds
    best = max(a_second, key=a_second.__getitem__)
    return {
        "task": run.name,
        "recipe": run.metrics["recipe"],
        "parameters": run.model.count_params(),
        "megabytes": size / 1e6,
        "load_seconds": load,
        "first_ms": 1e3 * first,
        "p50_ms": percentile(single, 50),
        "p99_ms": percentile(single, 99),
        "requests": len(single),
        "rows_a_second": {str(batch): value for batch, value in a_second.items()},
        "best_batch": best,
        "bare": name,
        "bare_p50_ms": percentile(compared, 50),
        "overhead": percentile(single, 50) / percentile(compared, 50),
        "cpu": run.metrics["cpu"],
        "date": date.today().isoformat(),
    }


def table(records: list[dict]) -> str:
    lines = [
        "<!-- written by python -m benchmarks.serving -->",
        "| task | recipe | MB | load, s | p50, ms | p99, ms | rows a second, best batch | over the bare call |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for record in records:
        most = record["rows_a_second"][str(record["best_batch"])]
        lines.append(
            f"| {record['task']} | {Path(record['recipe']).stem} | {record['megabytes']:.1f} "
            f"| {record['load_seconds']:.1f} | {record['p50_ms']:.2f} | {record['p99_ms']:.2f} "
            f"| {most:,.0f} at {record['best_batch']} | {record['overhead']:.2f}× {record['bare']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN_DIR")
    parser.add_argument("--rows", type=int, default=64, help="different requests")
    parser.add_argument("--times", type=int, default=16, help="how often each is sent")
    parser.add_argument("--to", type=Path, default=HERE, help="folder of serving.json and serving.md")
    options = parser.parse_args()
    path = options.to / "serving.json"
    records = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    for directory in options.runs:
        record = measure(zoo.load(directory, precision="float32"), rows=options.rows, times=options.times)
        key = ("task", "recipe")
        records = [old for old in records if any(old[k] != record[k] for k in key)] + [record]
        records.sort(key=lambda entry: [entry[k] for k in key])
        path.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
        (options.to / "serving.md").write_text(table(records), encoding="utf-8")
        print(table([record]).splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
