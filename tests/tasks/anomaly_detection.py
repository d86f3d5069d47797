"""Anomaly detection, small enough for tests."""

from pathlib import Path

TINY = {
    "units": 6,
    "frame": 6,
    "code": 2,
    "epochs": 2,
    "limit": 64,
    "validation_from": "50%",
    "test_from": "53%",
    "end": "58%",
    "batch_tokens": 128,
}
TINY |= {"baselines": "t2,all"}
SLOW_SEARCH = False
BAD = ("pump.csv", "time,flow\n2026-01-01 00:00,1\n2026-01-01 00:01,x\n", "pump.csv line 3: flow is 'x'")


def write_good(folder: Path) -> None:
    rows = [
        f"{step},{step % 7},{'NA' if step % 50 == 7 else step % 5},{int(step in range(520, 540))}"
        for step in range(600)
    ]
    (folder / "pump.csv").write_text("\n".join(["time,flow,pressure,anomaly", *rows]) + "\n")
