"""A comparison or a search that is killed again and again at random moments and gone on with. Nothing is trained.

    python -m tests.interrupts compare|search FOLDER KILLS SEED

It fails if a run that had finished is started again or changes, or if two processes work on one run.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import matplotlib.figure  # noqa: F401  before the forks
import optuna  # noqa: F401
import tensorflow  # noqa: F401

from zoo import children, comparison, hyperparameters
from zoo import task as tasks

SENTIMENT = tasks.get("sentiment")
LONGEST = 1.5  # seconds until a kill


def compare(folder: Path) -> None:
    if (folder / "comparison.json").exists():
        comparison.resume(SENTIMENT, str(folder))
    else:
        vary = {"units": [4, 8], "cell": ["lstm", "gru"]}
        comparison.begin(SENTIMENT, SENTIMENT.Config(), vary, seeds=[0, 1, 2], directory=str(folder))


def search(folder: Path) -> None:
    if (folder / "search.json").exists():
        hyperparameters.resume(SENTIMENT, str(folder))
    else:
        space = ["units=2..64:log", "dropout=0..0.5", "cell=lstm,gru"]
        how = {"trials": 16, "jobs": 2, "directory": str(folder)}
        hyperparameters.begin(SENTIMENT, SENTIMENT.Config(), space, **how)


def finished(folder: Path) -> dict[Path, tuple[bytes, str]]:
    """The runs that have ended: their records, and how often they were started."""
    return {path: (path.read_bytes(), (path.parent / "starts").read_text()) for path in folder.rglob("metrics.json")}


def main(verb: str, folder: Path, kills: int, seed: int) -> None:
    random.seed(seed)
    children.PROGRAM = (sys.executable, str(Path(__file__).with_name("pretends.py")))
    before: dict[Path, tuple[bytes, str]] = {}
    for number in range(kills + 1):
        pid = os.fork()
        if not pid:
            try:
                {"compare": compare, "search": search}[verb](folder)
                os._exit(0)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
        if number < kills:
            time.sleep(random.uniform(0, LONGEST))
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        assert status in ((0, signal.SIGKILL) if number < kills else (0,)), status
        found = finished(folder) if folder.exists() else {}
        assert all(found.get(path) == record for path, record in before.items()), "a finished run was lost"
        assert not list(folder.rglob("clash")), "two processes at one run"
        before = found
    print(f"{kills} kills, {len(before)} finished runs")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
