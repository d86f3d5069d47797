"""Results as text: the README's table from tasks/*/results.json, and the lines at the end of a run.

python -m zoo.report                       # rewrites the table in README.md
python -m zoo.report --check               # exits with status 1 if the table is out of date
python -m zoo.report --record RUN_DIR …    # keeps the numbers of finished runs in tasks/TASK/results.json
"""

import importlib
import importlib.util
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import InputError
from zoo.metrics.metric import Metric, reported_first

BEGIN, END = "<!-- results: written by python -m zoo.report -->", "<!-- end of results -->"
HEAD = (
    "| task | data | metric, test split | zoo | classical baseline | seeds | minutes per seed | hardware |",
    "|---|---|---|---|---|---|---|---|",
)


def declared(task: str) -> Sequence[Metric]:
    """The METRICS of zoo.tasks.TASK; empty if there is no such task."""
    name = f"zoo.tasks.{task}"
    return importlib.import_module(name).METRICS if importlib.util.find_spec(name) else ()


def find(name: str, metrics: Sequence[Metric]) -> Metric:
    """The declaration of a metric; one with the default format if there is none."""
    return next((metric for metric in metrics if metric.name == name), Metric(name))


def by_recipe(records: list[dict]) -> dict[str, list[dict]]:
    """The records of one task by recipe; the records of a recipe differ in their seed."""
    groups: dict[str, list[dict]] = {}
    for record in records:
        groups.setdefault(record["recipe"], []).append(record)
    return groups


def spread(values: Sequence[float], metric: Metric) -> str:
    """`88.7% ± 0.2%`: mean and standard deviation in the metric's format.

    The mean stands alone if there is one value, or if the deviation would be printed as zero.
    """
    mean = metric.text(statistics.mean(values))
    deviation = metric.text(statistics.stdev(values)) if len(values) > 1 else metric.text(0.0)
    return mean if deviation == metric.text(0.0) else f"{mean} ± {deviation}"


def count(number: int, unit: str) -> str:
    """`1 thread`, `2 threads`."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def row(records: list[dict], metrics: Sequence[Metric]) -> str:
    """A row of the table.

    Args:
        records: the runs of one recipe, one per seed.
        metrics: the task's declarations; the first is reported if the recipe names no other.
    """
    first = records[0]
    declared = metrics or [Metric(next(iter(first["metrics"])))]
    metric = reported_first(declared, first["config"].get("reported"))[0]
    baseline = first["baseline"]
    seconds = statistics.mean(record["seconds"]["train"] for record in records)
    cells = [
        f"[{first['task']}](tasks/{first['task']}/card.md)",
        Path(first["recipe"]).stem,
        f"{metric.name} {metric.arrow}",
        f"**{spread([record['metrics'][metric.name] for record in records], metric)}**",
        f"{spread([record['baseline'][metric.name] for record in records], metric)} ({baseline['name']})",
        ", ".join(str(record["seed"]) for record in records),
        f"{seconds / 60:.1f}",
        f"{first['device']}, {count(first['threads'], 'thread')}",
    ]
    return f"| {' | '.join(cells)} |"


def table(tasks: Path) -> str:
    """The table of all results under `tasks`: one row for each task and recipe."""
    rows = list(HEAD)
    for path in sorted(tasks.glob("*/results.json")):
        metrics = declared(path.parent.name)
        for records in by_recipe(json.loads(path.read_text(encoding="utf-8"))).values():
            rows.append(row(records, metrics))
    return "\n".join(rows)


def run_lines(record: dict, metrics: Sequence[Metric]) -> list[str]:
    """The result of one run, for people: each metric beside the baseline's, and the time that it took.

    Args:
        record: the content of metrics.json.
        metrics: the task's declarations; the metrics are printed in their order, undeclared ones last.
    """
    baseline, seconds, epochs = record.get("baseline"), record["seconds"], record["epochs"]  # validation has none
    numbers = {name: value for name, value in record["metrics"].items() if isinstance(value, (int, float))}
    order = [m.name for m in reported_first(metrics, record["config"].get("reported")) if m.name in numbers]
    rows = []
    for name in [*order, *(name for name in numbers if name not in order)]:
        metric = find(name, metrics)
        beside = metric.text(baseline[name]) if baseline and baseline.get(name) is not None else ""
        rows.append((f"{name} {metric.arrow}".rstrip(), metric.text(numbers[name]), beside))
    names, values, others = (max(map(len, column), default=0) for column in zip(*rows, strict=True))
    lines = [
        f"{record['split']} split, {count(record['examples'][record['split']], 'example')}, "
        f"epoch {epochs['kept']} of {epochs['run']}",
        f"  {'':<{names}}  {'zoo':>{values}}   {baseline['name'] if baseline else ''}".rstrip(),
    ]
    lines += [f"  {name:<{names}}  {value:>{values}}   {beside:>{others}}".rstrip() for name, value, beside in rows]
    lines.append(
        f"  {seconds['setup']:.0f} s set-up, {seconds['train']:.0f} s training "
        f"({record['tokens_per_second']:,.0f} real tokens per second)"
        + (f", {seconds['evaluate']:.0f} s evaluation; baseline {baseline['seconds']:.0f} s" if baseline else "")
    )
    return lines


def record(run_dir: Path, tasks: Path) -> None:
    """Puts the numbers of a finished run into `tasks`/TASK/results.json, in place of those of its recipe and seed.

    Of a run on the bundled sample it keeps samples.md instead: its numbers mean little, and the examples of real data
    sets may not be given away.

    Raises:
        InputError: the run is not finished, or was not scored on the test split.
    """
    path = run_dir / "metrics.json"
    if not path.is_file():
        raise InputError(f"{run_dir} is not a finished run: it has no metrics.json")
    metrics = json.loads(path.read_text(encoding="utf-8"))
    if metrics["split"] != "test":
        raise InputError(f"{run_dir} was scored on {metrics['split']} only; train it without --until validation")
    folder = tasks / metrics["task"]
    folder.mkdir(parents=True, exist_ok=True)
    if metrics["data"] == "sample":
        (folder / "samples.md").write_bytes((run_dir / "samples.md").read_bytes())
        return
    kept = folder / "results.json"
    records = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else []
    key = ("recipe", "seed")
    records = [old for old in records if any(old[name] != metrics[name] for name in key)] + [metrics]
    records.sort(key=lambda entry: [str(entry[name]) for name in key])
    temporary = kept.with_suffix(".tmp")
    temporary.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    temporary.replace(kept)


def main(check: bool, runs: Sequence[str] = ()) -> int:
    for run_dir in runs:
        record(Path(run_dir), Path("tasks"))
    readme = Path("README.md")
    text = readme.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    fresh = f"{before}{BEGIN}\n{table(Path('tasks'))}\n{END}{after}"
    if check:
        if fresh != text:
            print("the results table in README.md is out of date: python -m zoo.report updates it", file=sys.stderr)
        return int(fresh != text)
    readme.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    words = sys.argv[1:]
    try:
        status = main("--check" in words, words[1:] if words[:1] == ["--record"] else ())
    except InputError as error:
        status = 2
        print(f"error: {error}", file=sys.stderr)
    sys.exit(status)
