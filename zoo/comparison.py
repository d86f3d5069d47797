"""Compares variants of a task's model: a grid of options, some seeds of each, one process for each run.

    zoo compare sentiment --vary cell=simple,lstm,gru --vary layers=1,2 --seeds 0,1,2

DIR/comparison.json    the question, and after the last run its answer
DIR/VARIANT/seedN      the run directories; a run that is finished stays, an interrupted one goes on
DIR/comparison.md      the first metric of each variant with its spread, its weights and its speed
DIR/comparison.png     the same as pictures of the metric against each cost
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
import json
import multiprocessing
import os
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo import children, options, quiet, report
from zoo import task as tasks
from zoo.data import atomic
from zoo.data.remarks import say
from zoo.errors import InputError
from zoo.metrics.metric import Metric, reported_first
from zoo.options import Training
from zoo.plots import costs
from zoo.task import Task

CLOSE = 0.05  # the largest relative difference between numbers of weights that are called equal


@dataclasses.dataclass(frozen=True)
class Variant:
    """One cell of the grid.

    Attributes:
        name: such as "cell=lstm, layers=2".
        cfg: the options of its runs, the seed aside.
    """

    name: str
    cfg: Any


def variants(cfg: Training, vary: Mapping[str, Sequence[Any]]) -> list[Variant]:
    """All combinations of the values, the last option changing first.

    Raises:
        InputError: a value that the option does not take.
    """
    found = []
    for values in itertools.product(*(dict.fromkeys(values) for values in vary.values())):
        changes = dict(zip(vary, values, strict=True))
        name = ", ".join(f"{option}={options.word(value)}" for option, value in changes.items())
        found.append(Variant(name, dataclasses.replace(cfg, **changes)))
    return found


def begin(
    task: Task,
    cfg: Training,
    vary: Mapping[str, Sequence[Any]],
    *,
    seeds: Sequence[int],
    equal_weights: bool = False,
    directory: str | None = None,
    recipe: str = "defaults",
    command: str = "",
) -> Path:
    """Trains every variant with every seed, and writes the comparison. Gives its folder.

    Args:
        vary: option → its values.
        equal_weights: choose `units` so that each variant has as many trainable weights as the first one.
        directory: a folder to make; by default runs/TASK/compare-N.
    Raises:
        InputError: an option, a value or the data is wrong; nothing stays then.
        KeyboardInterrupt: a signal; the message says how to go on.
    """
    if equal_weights and ("units" in vary or "units" not in options.names(task.Config)):
        raise InputError("--equal-weights chooses units: leave it out of --vary, and take a task that has this option")
    if "seed" in vary:
        raise InputError("--vary seed: --seeds 0,1,2 trains each variant with several seeds")
    grid = variants(cfg, vary)
    path = children.new_folder(task, "compare", directory)
    if equal_weights:
        grid = _in_a_process(_equal_weights, tasks.name_of(task), grid)
    asked = {
        "task": tasks.name_of(task),
        "recipe": recipe,
        "command": command,
        "vary": {name: list(values) for name, values in vary.items()},
        "seeds": list(dict.fromkeys(seeds)),
        "equal_weights": equal_weights,
        "variants": [dataclasses.asdict(variant) for variant in grid],
    }
    return _run(task, path, asked)


def resume(task: Task, directory: str) -> Path:
    """Goes on with an interrupted comparison; finished runs stay as they are."""
    path = Path(directory)
    asked = children.read_question(path, "comparison", task)
    return _run(task, path, asked)


def _run(task: Task, path: Path, asked: dict[str, Any]) -> Path:
    with children.folder(path, how=f"zoo compare {tasks.name_of(task)} --resume {path}") as lock:
        atomic.write(path / "comparison.json", _json(asked))
        _train(task, path, asked, lock)
    return path


def _train(task: Task, path: Path, asked: dict[str, Any], lock: int) -> None:
    grid = [Variant(each["name"], task.Config(**each["cfg"])) for each in asked["variants"]]
    metric = reported_first(task.METRICS, grid[0].cfg.reported)[0]
    records: dict[str, list[dict]] = {variant.name: [] for variant in grid}
    places = list(itertools.product(enumerate(grid, 1), asked["seeds"]))
    for done, ((number, variant), seed) in enumerate(places, 1):
        folder = path / f"{number:02}-{re.sub(r'[^A-Za-z0-9.]+', '-', variant.name)[:80]}"
        child = children.Child(
            task, dataclasses.replace(variant.cfg, seed=seed), folder / f"seed{seed}", until="test", lock=lock
        )
        new = child.running()
        try:
            child.wait()
        finally:
            child.stop()
        if child.finished:
            record = child.metrics()
            records[variant.name].append(record)
            result = f"{metric.name} {metric.text(record['metrics'][metric.name])}, {record['seconds']['train']:.0f} s"
        elif child.diverged:
            result = "diverged"
        else:
            raise InputError(f"{variant.name}, seed {seed}: {child.error()}")
        say(f"{done} of {len(places)}  {variant.name}  seed {seed}: {result}{'' if new else ' (finished before)'}")
    rows = [_row(variant.name, records[variant.name], metric, len(asked["seeds"])) for variant in grid]
    baselines = _baselines(records, metric)
    atomic.write(path / "comparison.json", _json(asked | {"rows": rows, "baselines": baselines}))
    example = next(filter(None, records.values()), [{}])[0]
    atomic.write(path / "comparison.md", table(asked, rows, baselines, metric, example))
    quiet.load_keras()  # matplotlib asks TensorFlow, which the task names, whether values are tensors
    costs.against(rows, path / "comparison.png", metric=metric, baselines=baselines)
    say(f"\n{(path / 'comparison.md').read_text(encoding='utf-8')}\nwritten: {path}/comparison.md, .png and .json")


def _row(name: str, records: list[dict], metric: Metric, seeds: int) -> dict[str, Any]:
    """The numbers of a variant, over the seeds that did not diverge."""
    return {
        "variant": name,
        "diverged": seeds - len(records),
        metric.name: [record["metrics"][metric.name] for record in records],
        "weights": [record["trainable_parameters"] for record in records],
        "seconds": [record["seconds"]["train"] for record in records],
        "tokens_per_second": [record["tokens_per_second"] for record in records],
    }


def _baselines(records: Mapping[str, list[dict]], metric: Metric) -> list[dict[str, Any]]:
    """The classical baseline; one for each variant if an option that is varied changes it."""
    found: list[dict[str, Any]] = []
    for name, runs in records.items():
        if not runs:
            continue
        values = [run["baseline"][metric.name] for run in runs]
        entry = {"name": runs[0]["baseline"]["name"], "variant": name, metric.name: values}
        entry["seconds"] = [run["baseline"]["seconds"] for run in runs]
        if not any(known["name"] == entry["name"] and known[metric.name] == values for known in found):
            found.append(entry)
    for entry in found:
        entry["name"] += f" ({entry['variant']})" if len(found) > 1 else ""
    return found


def table(
    asked: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    baselines: Sequence[Mapping[str, Any]],
    metric: Metric,
    record: Mapping[str, Any],
) -> str:
    """comparison.md.

    Args:
        asked: the question.
        rows, baselines: the answer.
        metric: the one that is shown.
        record: of one run; it names data and hardware. Empty if all runs diverged.
    """
    seeds = f"seeds {', '.join(map(str, asked['seeds']))}" if len(asked["seeds"]) > 1 else f"seed {asked['seeds'][0]}"
    shown = "mean ± standard deviation" if len(asked["seeds"]) > 1 else "one value"
    lines = [f"# {asked['task']}: {', '.join(asked['vary'])}", "", f"`{asked['command']}`", ""]
    if record:
        hardware = f"{record['device']} ({record['cpu']}, {report.count(record['threads'], 'thread')})"
        lines += [f"Data: {record['data']}, recipe {asked['recipe']}, on {hardware}.", ""]
    equal = f" `units` is chosen so that all have as many as the first, within {CLOSE:.0%}." * asked["equal_weights"]
    lines += [
        f"{metric.name} on the test split, {shown} over {seeds}. Each run was scored on the test split once, after its",
        "training had ended: validation chose the epoch that is kept, and nothing was chosen by these numbers. Weights",
        f"are the trainable ones.{equal} Seconds are those of training with validation. Tokens are the real steps of",
        "the training data.",
        "",
        f"| variant | {metric.name} {metric.arrow} | weights | seconds | tokens per second |".replace("  ", " "),
        "|---|---|---|---|---|",
    ]
    for row in rows:
        lost = f"{row['diverged']} of {len(asked['seeds'])} diverged"
        if not row["weights"]:
            lines.append(f"| {row['variant']} | {lost} | | | |")
            continue
        weights, seconds, speed = (statistics.mean(row[name]) for name in costs.COSTS)
        result = report.spread(row[metric.name], metric) + (f" ({lost})" if row["diverged"] else "")
        lines.append(f"| {row['variant']} | {result} | {weights:,.0f} | {seconds:,.0f} | {speed:,.0f} |")
    for entry in baselines:
        result, seconds = report.spread(entry[metric.name], metric), statistics.mean(entry["seconds"])
        lines.append(f"| {entry['name']}, classical | {result} | | {seconds:,.0f} | |")
    return "\n".join([*lines, ""])


# ---- equal weights


def _in_a_process(work: Callable, *arguments: Any) -> Any:
    """Calls `work` in a process that loads Keras, and ends: this one stays small and without threads."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, spawn, initializer=quiet.load_keras) as pool:
        return pool.submit(work, *arguments).result()


def _equal_weights(name: str, grid: list[Variant]) -> list[Variant]:
    """The variants with `units` chosen so that each has about as many trainable weights as the first."""
    from zoo.layers import carried
    from zoo.run import load_splits  # loads TensorFlow

    task, target, found = tasks.get(name), 0, []
    for variant in grid:
        cfg = variant.cfg
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            codec = task.codec(cfg, load_splits(task, cfg, test=False)["train"])

        @functools.cache
        def weights(units: int) -> int:
            model = task.model(dataclasses.replace(cfg, units=units), codec)  # noqa: B023
            return carried.count_trainable(model)

        units = cfg.units if not target else closest(weights, target, start=cfg.units)
        count = weights(units)
        target = target or count
        difference = count / target - 1
        if abs(difference) > CLOSE:
            raise InputError(
                f"--equal-weights: {variant.name} comes no closer to {target:,} weights than {count:,}, with "
                f"units={units}; begin with a variant of another size"
            )
        say(f"{variant.name}: units {units}, {count:,} trainable weights ({difference:+.1%})")
        found.append(Variant(f"{variant.name}, units={units}", dataclasses.replace(cfg, units=units)))
    return found


def closest(weights: Callable[[int], int], target: int, *, start: int) -> int:
    """The number of units, from 1, whose number of weights is closest to `target`; bisection of a rising function."""
    low, high = 0, start  # weights(low) < target <= weights(high) from here on
    while weights(high) < target and weights(2 * high) > weights(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if weights(middle) < target else (low, middle)
    return min((units for units in (low, high) if units), key=lambda units: abs(weights(units) - target))


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
