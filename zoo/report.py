"""The README's table of results, made from tasks/*/results.json.

python -m zoo.report            # rewrites the table in README.md
python -m zoo.report --check    # exits 1 where it is out of date
"""

import json
import statistics
import sys
from pathlib import Path

BEGIN, END = "<!-- results: written by python -m zoo.report -->", "<!-- end of results -->"


def groups(records: list[dict]) -> dict[str, list[dict]]:
    """The records of one task by recipe: those that differ only in their seed."""
    found: dict[str, list[dict]] = {}
    for record in records:
        found.setdefault(record["recipe"], []).append(record)
    return found


def spread(values: list[float]) -> str:
    """`0.889 ± 0.002`: mean and standard deviation; the value alone where all are the same."""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(set(values)) == 1 else f"{mean} ± {statistics.stdev(values):.3f}"


def table(tasks: Path) -> str:
    """One row a task and recipe: the first metric, seeds and spread, the baseline, what it cost, where."""
    rows = [
        "| task | data | metric, test split | zoo | classical baseline | seeds | minutes a seed | on |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for path in sorted(tasks.glob("*/results.json")):
        for recipe, records in groups(json.loads(path.read_text(encoding="utf-8"))).items():
            first = records[0]
            metric = next(iter(first["metrics"]))
            minutes = statistics.mean(record["seconds"]["train"] for record in records) / 60
            name = first["task"]
            rows.append(
                f"| [{name}](tasks/{name}/card.md) | {Path(recipe).stem} | {metric} "
                f"| **{spread([record['metrics'][metric] for record in records])}** "
                f"| {spread([record['baseline'][metric] for record in records])} ({first['baseline']['name']}) "
                f"| {', '.join(str(record['seed']) for record in records)} | {minutes:.1f} "
                f"| {first['device']}, {first['threads']} threads |"
            )
    return "\n".join(rows)


def main(check: bool) -> int:
    readme = Path("README.md")
    text = readme.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    fresh = f"{before}{BEGIN}\n{table(Path('tasks'))}\n{END}{after}"
    if check:
        if fresh != text:
            print("the results table in README.md is out of date: python -m zoo.report writes it", file=sys.stderr)
        return int(fresh != text)
    readme.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
