"""Forecasting, small enough for tests."""

from pathlib import Path

TINY = {"units": 8, "lookback": 30, "horizon": 6, "shortest": 8, "limit": 48, "epochs": 2, "batch_tokens": 512}
TINY |= {"baselines": "last,seasonal,ridge"}
SLOW_SEARCH = False
BAD = ("load.csv", "time,value\n2024-01-01 00:00,1\n2024-01-01 01:00,x\n", "load.csv line 3: value is 'x'")


def write_good(folder: Path) -> None:
    rows = [
        f"2024-01-{1 + hour // 24:02} {hour % 24:02}:00,{'NA' if hour % 50 == 7 else hour % 24}" for hour in range(600)
    ]
    (folder / "load.csv").write_text("\n".join(["time,value", *rows]) + "\n")
