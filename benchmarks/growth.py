"""The sentiment task on 1×, 4× and 16× the data: 5,000, 20,000 and 80,000 generated reviews of 10 to 200 words.

Each size has its own process, which encodes and then trains the same number of steps, without XLA. Speed is the median
of four parts of 20 % of the steps; the first 20 % are left out, because shapes are traced there. Memory is the largest
resident size of the process.
"""

import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PEERS = ("zoo",)
ROUNDS = 3
REVIEWS, STEPS, TIMES = 5_000, 100, (1, 4, 16)
WARM_UP = dict.fromkeys((f"{times}×" for times in TIMES), 0)


def cases(quick: bool) -> list[dict]:
    return [{"reviews": REVIEWS // 5 if quick else REVIEWS}]


def own(case: dict, peers: dict) -> list[tuple]:
    numbers, lines = peers["zoo"], []
    for what, key, unit, room in (("speed", "tokens_per_second", "tok/s", 0.10), ("memory", "megabytes", "MB", 0.15)):
        one = numbers["1×"][key]
        for call in (f"{times}×" for times in TIMES[1:]):
            value = numbers[call][key]
            goal = f"≥ {1 - room:.2f}" if what == "speed" else f"≤ {1 + room:.2f}"
            lines.append(
                (f"{call} the data, {what}", f"{value:,.0f} {unit}", f"1× {one:,.0f} {unit}", value / one, goal)
            )
    return lines


def calls(peer: str, case: dict) -> dict:
    reviews, folder = case["reviews"], Path(case["folder"])
    return {f"{times}×": lambda times=times: alone("growth", folder, times * reviews, _write) for times in TIMES}


def alone(row: str, folder: Path, size: int, write: Callable[[Path, int], None]) -> dict:
    """The numbers that `python -m benchmarks.ROW DATA` prints, in a process of its own; `write` makes the data once."""
    path = folder / str(size)
    if not path.exists():
        write(path, size)
    command = [sys.executable, "-m", f"benchmarks.{row}", str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    return json.loads(done.stdout.splitlines()[-1])


def megabytes() -> float:
    """The largest resident size of this process."""
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes; on a Mac bytes
    return resident / (1e6 if sys.platform == "darwin" else 1e3)


def _write(path: Path, reviews: int) -> None:
    path.mkdir()
    draw = random.Random(0)
    words = [f"word{i}" for i in range(20_000)]
    for split, count in (("train", reviews), ("val", 100), ("test", 100)):
        with (path / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for i in range(count):
                text = " ".join(draw.choices(words, k=draw.randint(10, 200)))
                file.write(json.dumps({"text": text, "label": ("bad", "fine")[i % 2]}) + "\n")


def _train(path: str) -> dict:
    """tokens, seconds and megabytes of training on the data in `path`."""
    from benchmarks import epoch
    from zoo.tasks import sentiment

    case = {"recipe": "tasks/sentiment/imdb.toml", "data": path}
    train = epoch.Zoo(case, sentiment, {"batch_tokens": 4096, "jit": "off"}, steps=STEPS // 5).train
    train()
    parts = []
    for _ in range(4):
        start = time.perf_counter()
        tokens = train()
        parts.append((tokens / (time.perf_counter() - start), tokens))
    speed, tokens = statistics.median_low(parts)
    return {"tokens": tokens, "seconds": tokens / speed, "megabytes": megabytes()}


if __name__ == "__main__":
    print(json.dumps(_train(sys.argv[1])))
