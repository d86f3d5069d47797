"""Stands in for `python -m zoo train`: it writes the files of a run in a fraction of a second and trains nothing.

    python tests/pretends.py train TASK --recipe FILE --run-dir DIR --until WHERE
    python tests/pretends.py train TASK --resume DIR --until WHERE

DIR/starts has a letter for each process; DIR/clash appears if two of them run at the same time.
"""

import fcntl
import json
import sys
import time
import tomllib
from pathlib import Path

EPOCHS = 4


def main(words: list[str]) -> None:
    flags = dict(zip(words[2::2], words[3::2], strict=True))
    time.sleep(0.02)
    if "--resume" in flags:
        folder = Path(flags["--resume"])
    else:
        folder = Path(flags["--run-dir"])
        folder.mkdir(parents=True)
        recipe = Path(flags["--recipe"]).read_text()
        (folder / "new").write_text(recipe)
        (folder / "new").rename(folder / "config.toml")
    with (folder / "pretends.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            (folder / "clash").touch()
        with (folder / "starts").open("a") as file:
            file.write("x")
        train(folder, tomllib.loads((folder / "config.toml").read_text()), flags["--until"])


def train(folder: Path, cfg: dict, until: str) -> None:
    history = folder / "history.csv"
    done = history.read_text().splitlines() if history.exists() else ["epoch,val_accuracy"]
    accuracy = 1 - 1 / cfg["units"] + cfg["seed"] / 1000
    for epoch in range(len(done) - 1, EPOCHS):
        time.sleep(0.05)
        done.append(f"{epoch},{accuracy * (epoch + 1) / EPOCHS}")
        (folder / "new").write_text("\n".join(done) + "\n")
        (folder / "new").rename(history)
    record = {
        "data": "sample",
        "device": "CPU",
        "cpu": "made up",
        "threads": 1,
        "seed": cfg["seed"],
        "split": until,
        "metrics": {"accuracy": accuracy},
        "validation": {"val_accuracy": accuracy},
        "trainable_parameters": 10 * cfg["units"],
        "seconds": {"train": 0.1},
        "tokens_per_second": 1e5 / cfg["units"],
    }
    if until == "test":
        record["baseline"] = {"name": "counting", "accuracy": 0.8, "seconds": 0.5}
    (folder / "new").write_text(json.dumps(record))
    (folder / "new").rename(folder / "metrics.json")


if __name__ == "__main__":
    main(sys.argv[1:])
