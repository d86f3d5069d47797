"""Measures the zoo beside PyTorch and plain Keras on the same work, and writes results.json and README.md.

    make bench                                              # everything; makes the peers' environments first
    make bench ARGS="--only core --quick"                   # one row, few shapes
    make bench ARGS="--imdb data/sentiment_imdb --pos data/pos_ud_english_ewt --multi30k data/mt_multi30k"

Every peer is a process of its own with its own threads; they take turns, one timed round each, so that a machine's slow
minute hits all alike. Warm-up (tracing, compiling) is apart. A case is written as soon as it is measured and replaces
what was measured before: a run that was interrupted goes on with --only.
"""

import argparse
import contextlib
import datetime
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROWS = {
    "core": "One recurrent layer",
    "imdb": "Sentiment, one epoch of IMDB",
    "pos": "Tagging, one epoch of English EWT",
    "multi30k": "Translation, Multi30k, beside JoeyNMT",
    "accuracy": "Time to a good sentiment model",
    "growth": "Growing data",
    "start": "Waiting for the first answer",
}


class Peer:
    """One process; `ask` sends a line and returns the answer."""

    def __init__(self, row: str, name: str, python: str, threads: int):
        self.name = name
        limits = {"OMP_NUM_THREADS": str(threads), "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(
            [python, str(HERE / "peer.py"), row, name, str(threads)],
            env=os.environ | limits, cwd=HERE.parent, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def ask(self, line: str = "") -> dict:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended early; its message is above")
        return json.loads(answer)


@contextlib.contextmanager
def started(row: str, pythons: dict[str, str], threads: int) -> Iterator[list[Peer]]:
    peers = [Peer(row, name, python, threads) for name, python in pythons.items()]
    try:
        yield peers
    finally:
        for peer in peers:
            with contextlib.suppress(BrokenPipeError):
                peer.process.stdin.close()  # it ends by itself
            peer.process.wait()


def measure(peers: list[Peer], row: str, case: dict, *, rounds: int) -> dict:
    """Per peer and call: seconds of a round (median, least, greatest), tokens per second, what else a call tells."""
    module = importlib.import_module(f"benchmarks.{row}")
    fixed = module.work(case) if hasattr(module, "work") else {}
    with tempfile.TemporaryDirectory() as folder:
        asked = json.dumps(case | {"folder": folder})
        warm_up = {peer.name: peer.ask(asked)["seconds"] for peer in peers}  # in order: the zoo leaves files
        replies: dict[str, list[dict]] = {peer.name: [] for peer in peers}
        for _ in range(rounds):
            for peer in peers:
                replies[peer.name].append(peer.ask())
    result = {}
    for name, answers in replies.items():
        result[name] = {"warm_up_s": round(warm_up[name], 2)}
        for call in answers[0]:
            rows = [answer[call] for answer in answers]
            seconds = [row.pop("seconds") for row in rows]
            tokens = [row.pop("tokens", None) or fixed.get(call) for row in rows]
            numbers = {"median_s": statistics.median(seconds), "min_s": min(seconds), "max_s": max(seconds)}
            if all(tokens):
                numbers["tokens_per_second"] = statistics.median(t / s for t, s in zip(tokens, seconds, strict=True))
            numbers |= {key: statistics.median(row[key] for row in rows) for key in rows[0]}
            result[name][call] = {key: float(f"{value:.4g}") for key, value in numbers.items()}
    return result


def lines(record: dict) -> list[str]:
    """The rows of the table that one case makes: what, the peer's and the zoo's speed, their ratio, the goal."""
    module, peers = importlib.import_module(f"benchmarks.{record['row']}"), record["peers"]
    case = record["case"]
    what = " ".join(str(case[key]) for key in ("cell", "units", "batch", "length") if key in case)
    what = (f"{'bi' if case['bidirectional'] else 'uni'} {what}" if "bidirectional" in case else what) or record["row"]
    what += ", input feeding" if case.get("input_feeding") else ""
    table = []

    def line(call: str, mine: str, other: str, value: float | None, goal: str) -> None:
        """`goal` says what `value` must be, as in "≥ 1.2", or without a ratio what `mine` must be; "–" says nothing."""
        compare, _, number = goal.partition(" ")
        shown, value = ("–", float(mine.split()[0])) if value is None else (f"{value:.2f}", value)
        verdict = ""
        if number:
            limit = float(number.removesuffix(" s"))
            verdict = "✓" if (value >= limit if compare == "≥" else value <= limit) else "missed"
        table.append(f"| {what}, {call} | {mine} | {other} | {shown} | {goal} | {verdict} |")

    for ours in (name for name in peers if name.startswith("zoo")):
        for name in (name for name in peers if not name.startswith("zoo")):
            for call, goal in module.goals(case, name).items():
                unit = getattr(module, "UNIT", {}).get(call, "tok/s")
                numbers = peers[ours][call], peers[name][call]
                speeds = [number["tokens_per_second"] for number in numbers]
                if unit == "s":  # how long a work took that is not as large for both
                    speeds = [1 / number["median_s"] for number in numbers]
                mine, other = (
                    f"{1 / speed if unit == 's' else speed:,.0f} {unit}{_spread(number)}"
                    for speed, number in zip(speeds, numbers, strict=True)
                )
                line(call, f"{ours} {mine}", f"{name} {other}", speeds[0] / speeds[1], f"≥ {goal}")
    for call, limit in module.limits(case).items() if hasattr(module, "limits") else ():
        line(call, f"{peers['zoo'][call]['median_s']:.2f} s", "–", None, f"≤ {limit:g} s")
    for found in module.own(case, peers) if hasattr(module, "own") else ():
        line(*found)
    return table


def _spread(number: dict) -> str:
    """Half the way from the shortest to the longest round."""
    share = (number["max_s"] - number["min_s"]) / 2 / number["median_s"]
    return f" ± {100 * share:.0f} %" if share else ""


def table(records: list[dict]) -> str:
    """README.md: all that is in results.json."""
    page = [f"# Benchmarks\n\nGenerated by `make bench` from results.json.\n\n```\n{__doc__.strip()}\n```"]
    for row, title in ROWS.items():
        mine = [record for record in records if record["row"] == row]
        if mine:
            last, about = mine[-1], importlib.import_module(f"benchmarks.{row}").__doc__.strip()
            page.append(
                f"\n## {title}\n\n{about}\n\n"
                f"Measured {last['date']}, {last['cpu']}, {last['threads']} threads; medians of {last['rounds']} "
                "rounds ± half of their range.\n\n"
                "| work | zoo | peer | zoo ÷ peer | goal | |\n|---|---|---|---|---|---|"
            )
            page += [line for record in mine for line in lines(record)]
    return "\n".join(page) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(ROWS), help=f"rows, by commas: {', '.join(ROWS)}")
    parser.add_argument("--torch", help="the interpreter of an environment with PyTorch; it is left out without")
    parser.add_argument("--joeynmt", help="likewise of one with JoeyNMT")
    parser.add_argument("--imdb", default="tfds:imdb_reviews", help="as --data of the sentiment task")
    parser.add_argument("--pos", default="tfds:universal_dependencies/en_ewt", help="as --data of the tagger")
    parser.add_argument("--multi30k", default="data/mt_multi30k", help="as --data of translation")
    parser.add_argument("--quick", action="store_true", help="few shapes, three rounds")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--to", default=str(HERE), help="folder for results.json and README.md")
    args = parser.parse_args()
    if unknown := sorted(set(args.only.split(",")) - set(ROWS)):
        parser.error(f"unknown row {unknown[0]!r}; there are {', '.join(ROWS)}")
    results = Path(args.to) / "results.json"
    records = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else []
    for row in args.only.split(","):
        module = importlib.import_module(f"benchmarks.{row}")
        others = {"torch": args.torch, "joeynmt": args.joeynmt}
        pythons = {name: others.get(name, sys.executable) for name in module.PEERS}
        pythons = {name: python for name, python in pythons.items() if python}
        rounds = min(3 if args.quick else args.rounds, getattr(module, "ROUNDS", args.rounds))
        with started(row, pythons, args.threads) as peers:
            for case in module.cases(args.quick):
                if "data" in case:
                    case["data"] = getattr(args, case["data"])
                record = {
                    "row": row, "case": case, "rounds": rounds, "threads": args.threads,
                    "date": datetime.date.today().isoformat(), "cpu": _cpu(),
                    "peers": measure(peers, row, case, rounds=rounds),
                }  # fmt: skip
                records = [old for old in records if (old["row"], old["case"]) != (row, case)] + [record]
                print("\n".join(lines(record)), flush=True)
                results.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
                (Path(args.to) / "README.md").write_text(table(records), encoding="utf-8")


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
