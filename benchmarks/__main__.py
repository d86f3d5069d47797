"""Measures the zoo beside PyTorch, plain Keras and JoeyNMT on the same work; writes results.json and README.md.

    make bench                                              # everything; makes the peers' environments first
    make bench ARGS="--only core --quick"                   # one section, few sizes
    make bench ARGS="--imdb data/sentiment_imdb --pos data/pos_ud_english_ewt --multi30k data/mt_multi30k"
    python -m benchmarks --render                           # README.md from results.json, nothing is measured

Each peer is a process with its own threads. The peers take turns, one timed round each, so a slow minute of the machine
affects all of them. Warm-up (tracing and compiling) is measured apart. Each case is written as soon as it is measured,
in place of its earlier result: after an interruption, --only continues with the sections that are left.
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
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROWS = {
    "core": "One recurrent layer",
    "imdb": "Sentiment, one epoch of IMDB",
    "pos": "Tagging, one epoch of English EWT",
    "forecast": "Forecasting, one epoch of Beijing's temperature",
    "language": "Language model, parts of an epoch, and generation",
    "multi30k": "Translation, Multi30k, beside JoeyNMT",
    "accuracy": "Time to a good sentiment model",
    "growth": "Growing data",
    "start": "Time to the first answer",
}
BESIDE = {"keras": "Keras", "torch": "PyTorch", "own": "the machine's peak"}  # in this order


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
    """Per peer and call: the seconds of a round (median, minimum, maximum), tokens per second, and further numbers."""
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


class Line(NamedTuple):
    """One comparison of a case: a call of the zoo beside the same call of a peer."""

    call: str  # such as "train"
    ours: str  # the name of the zoo's peer, such as "zoo --jit"
    mine: str  # its name and speed, as text
    peer: str
    other: str
    value: float | None  # the zoo's speed divided by the peer's; None where there is no peer
    shown: str
    goal: str  # the bound of `value`, as in "≥ 1.2"; without a peer, the bound of `mine`; "–" without a goal

    @property
    def verdict(self) -> str:
        compare, _, number = self.goal.partition(" ")
        if not number:
            return ""
        value = float(self.mine.split()[0]) if self.value is None else self.value
        limit = float(number.removesuffix(" s"))
        return "✓" if (value >= limit if compare == "≥" else value <= limit) else "missed"


def compared(record: dict) -> list[Line]:
    """Every comparison that one case makes."""
    module, case, peers = importlib.import_module(f"benchmarks.{record['row']}"), record["case"], record["peers"]
    found = []
    for ours in (name for name in peers if name.startswith("zoo")):
        for name in (name for name in peers if not name.startswith("zoo")):
            for call, goal in module.goals(case, name).items():
                unit = getattr(module, "UNIT", {}).get(call, "tok/s")
                numbers = peers[ours][call], peers[name][call]
                speeds = [number["tokens_per_second"] for number in numbers]
                if unit == "s":  # the time to a result, where the two do different amounts of work for it
                    speeds = [1 / number["median_s"] for number in numbers]
                mine, other = (
                    f"{1 / speed if unit == 's' else speed:,.0f} {unit}{_spread(number)}"
                    for speed, number in zip(speeds, numbers, strict=True)
                )
                ratio = speeds[0] / speeds[1]
                found.append(
                    Line(call, ours, f"{ours} {mine}", name, f"{name} {other}", ratio, f"{ratio:.2f}", f"≥ {goal}")
                )
    for call, limit in module.limits(case).items() if hasattr(module, "limits") else ():
        seconds = f"{peers['zoo'][call]['median_s']:.2f} s"
        found.append(Line(call, "zoo", seconds, "", "–", None, "–", f"≤ {limit:g} s"))
    for call, mine, other, value, goal in module.own(case, peers) if hasattr(module, "own") else ():
        ours = "zoo --jit" if mine.startswith("zoo --jit") else "zoo"
        found.append(Line(call, ours, mine, "own", other, value, f"{value:.2f}", goal))
    return found


def lines(record: dict) -> list[str]:
    """The rows of the full table that one case makes: the work, both speeds, their ratio, the goal."""
    case = record["case"]
    what = " ".join(str(case[key]) for key in ("cell", "units", "batch", "length") if key in case)
    what = (f"{'bi' if case['bidirectional'] else 'uni'} {what}" if "bidirectional" in case else what) or record["row"]
    what += f", {case['unit']}" if "unit" in case else ""
    what += ", input feeding" if case.get("input_feeding") else ""
    return [
        f"| {what}, {line.call} | {line.mine} | {line.other} | {line.shown} | {line.goal} | {line.verdict} |"
        for line in compared(record)
    ]


def _spread(number: dict) -> str:
    """Half of the difference between the shortest and the longest round."""
    share = (number["max_s"] - number["min_s"]) / 2 / number["median_s"]
    return f" ± {100 * share:.0f} %" if share else ""


def summary(records: list[dict]) -> list[str]:
    """The rows of a table with one row per layer, call and peer instead of one per case."""
    groups: dict[tuple[str, ...], dict[str, list[Line]]] = {}
    for record in records:
        case = record["case"]
        layer = f"{case['cell']}, {'both directions' if case['bidirectional'] else 'one direction'}"
        for line in compared(record):
            groups.setdefault((layer, line.peer, line.call), {}).setdefault(line.ours, []).append(line)
    rows = []
    for layer, peer, call in sorted(groups, key=lambda group: (group[0], list(BESIDE).index(group[1]), group[2])):
        found = groups[layer, peer, call]
        cells = " | ".join(_condensed(found[ours]) for ours in ("zoo", "zoo --jit"))
        rows.append(f"| {layer} | {call} | {BESIDE[peer]} | {cells} |")
    return rows


def _condensed(lines: list[Line]) -> str:
    """Median, range, and how many of the cases that have a goal reach it; three cells."""
    values = [line.value for line in lines if line.value is not None]
    verdicts = [line.verdict for line in lines if line.verdict]
    median, low, high = statistics.median(values), min(values), max(values)
    return f"**{median:.2f}** | {low:.2f} – {high:.2f} | {verdicts.count('✓')} of {len(verdicts)}"


def table(records: list[dict]) -> str:
    """The text of README.md."""
    page = [f"# Benchmarks\n\nWritten by `python -m benchmarks` from results.json.\n\n```\n{__doc__.strip()}\n```"]
    for row, title in ROWS.items():
        mine = [record for record in records if record["row"] == row]
        if not mine:
            continue
        last, module = mine[-1], importlib.import_module(f"benchmarks.{row}")
        summed_up = "cell" in last["case"]
        rounds = f"medians of {last['rounds']} rounds" if last["rounds"] > 1 else "one round"
        rounds += " ± half of their range" if last["rounds"] > 1 and not summed_up else ""
        page.append(
            f"\n## {title}\n\n{module.__doc__.strip()}\n\n"
            f"Measured {last['date']}, {last['cpu']}, {last['threads']} threads; {rounds}.\n"
        )
        if summed_up:
            page += [
                f"{len(mine)} cases: {_axes(mine)}.\n"
                "A number is the zoo's speed divided by the peer's; above 1, the zoo is faster.\n"
                "Each row sums up the cases of its layer; results.json has every case.\n",
                "| layer | call | beside | zoo: median | range | at goal | zoo --jit: median | range | at goal |\n"
                "|---|---|---|---|---|---|---|---|---|",
                *summary(mine),
                f"\nGoals: {module.GOALS}",
            ]
        else:
            page += [
                "| work | zoo | peer | zoo ÷ peer | goal | |\n|---|---|---|---|---|---|",
                *(line for record in mine for line in lines(record)),
            ]
    return "\n".join(page) + "\n"


def _axes(records: list[dict]) -> str:
    """The sizes that the cases of a layer have."""
    cases = [record["case"] for record in records]
    units = ", ".join(map(str, sorted({case["units"] for case in cases})))
    shapes = dict.fromkeys((case["batch"], case["length"]) for case in cases)
    return f"{units} units; {', '.join(f'{batch} × {length}' for batch, length in sorted(shapes))} (rows × steps)"


def write(records: list[dict], folder: Path) -> None:
    """results.json with one case a line, and README.md."""
    cases = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    (folder / "results.json").write_text(f"[\n{cases}\n]\n", encoding="utf-8")
    (folder / "README.md").write_text(table(records), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(ROWS), help=f"sections, separated by commas: {', '.join(ROWS)}")
    parser.add_argument(
        "--torch", help="the interpreter of an environment with PyTorch; without it, PyTorch is left out"
    )
    parser.add_argument("--joeynmt", help="the interpreter of an environment with JoeyNMT, likewise")
    parser.add_argument("--imdb", default="tfds:imdb_reviews", help="as --data of the sentiment task")
    parser.add_argument("--pos", default="tfds:universal_dependencies/en_ewt", help="as --data of the tagger")
    parser.add_argument("--multi30k", default="data/mt_multi30k", help="as --data of translation")
    parser.add_argument("--language", default="data/lm_tinyshakespeare", help="as --data of the language model")
    parser.add_argument("--language-words", default="data/lm_wikitext2", help="likewise, with blanks between tokens")
    beijing = "data/ts_beijing_weather/PRSA_Data_Aotizhongxin_20130301-20170228.csv.gz"
    parser.add_argument("--beijing", default=beijing, help="as --data of forecasting")
    parser.add_argument("--quick", action="store_true", help="few sizes, three rounds")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--render", action="store_true", help="measure nothing, write README.md from results.json again"
    )
    parser.add_argument("--to", default=str(HERE), help="folder for results.json and README.md")
    args = parser.parse_args()
    if unknown := sorted(set(args.only.split(",")) - set(ROWS)):
        parser.error(f"unknown section {unknown[0]!r}; expected {', '.join(ROWS)}")
    results = Path(args.to) / "results.json"
    records = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else []
    if args.render:
        write(records, Path(args.to))
        return
    for row in args.only.split(","):
        module = importlib.import_module(f"benchmarks.{row}")
        others = {"torch": args.torch, "joeynmt": args.joeynmt}
        pythons = {name: others.get(name.split()[0], sys.executable) for name in module.PEERS}  # "torch padded" too
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
                write(records, Path(args.to))


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
