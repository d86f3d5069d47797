"""Remaining life, small enough for tests."""

from pathlib import Path

TINY = {"units": 8, "lookback": 12, "limit": 48, "epochs": 2, "batch_tokens": 512, "baselines": "mean,ridge"}
SLOW_SEARCH = False
BAD = ("train.csv", "unit,cycle,heat\na,1,20\na,2,warm\n", "train.csv line 3: heat is 'warm'")


def write_good(folder: Path) -> None:
    rows = [
        f"pump {unit},{cycle},{'NA' if cycle == 7 else cycle / (20 + unit)},{unit % 3}"
        for unit in range(6)
        for cycle in range(1, 20 + unit)
    ]
    (folder / "train.csv").write_text("\n".join(["unit,cycle,heat,load", *rows]) + "\n")
    (folder / "test.csv").write_text("unit,cycle,heat,load,life\npump 9,1,0.1,1,\npump 9,2,0.15,1,18\n")
