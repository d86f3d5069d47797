"""The command line of every task, made from its Config: `train` (may be left out), `evaluate`, `predict`, `export`.

Answers `--help` and finds wrong flags without loading TensorFlow. What the user can mend is one line and status 2.
"""

import argparse
import dataclasses
import json
import os
import shlex
import signal
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from zoo.errors import InputError, did_you_mean
from zoo.task import Config, Run, Task, kinds, say
from zoo.training import devices

VERBS = ("train", "evaluate", "predict", "export")


class _Parser(argparse.ArgumentParser):
    """Errors are one line with a suggestion."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (--help lists the options)")

    def parse_all(self, arguments: Sequence[str]) -> argparse.Namespace:
        parsed, unknown = self.parse_known_intermixed_args(arguments)  # inputs and flags in any order
        if unknown:
            flags = [flag for action in self._actions for flag in action.option_strings]
            guess = did_you_mean(unknown[0].split("=")[0], flags)
            raise InputError(f"unknown option {unknown[0]!r}{guess} (--help lists the options)")
        return parsed


def _boolean(word: str) -> bool:
    if word not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{word!r} is neither true nor false")
    return word == "true"


def _positive(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number from 1")
    return int(word)


def _add_options(parser: argparse.ArgumentParser, config: type[Config]) -> None:
    """A flag for every field of `config`; absent flags stay out of the result, so that a recipe can speak."""
    common = {entry.name for entry in dataclasses.fields(Config)}
    own = parser.add_argument_group("options of this task")
    shared = parser.add_argument_group("options of every task")
    for entry in dataclasses.fields(config):
        kind, choices, _ = kinds(config, entry.name)
        default = str(entry.default).lower() if kind is bool else entry.default
        (shared if entry.name in common else own).add_argument(
            "--" + entry.name.replace("_", "-"),
            type=_boolean if kind is bool else kind,
            choices=choices or None,
            default=argparse.SUPPRESS,
            metavar=None if choices else {int: "N", float: "X", bool: "true|false"}.get(kind, "TEXT"),
            help=f"{entry.metadata['help']} (default: {default})".replace("%", "%%"),
        )


def _parser(task: Task, verb: str) -> _Parser:
    program = f"python -m zoo.tasks.{task.name}"
    if verb == "train":
        parser = _Parser(
            prog=program,
            description="Trains, evaluates on the test split, exports a SavedModel, and shows a few answers.",
            epilog="other verbs: evaluate RUN_DIR, predict RUN_DIR INPUT …, export RUN_DIR; each has its own --help. "
            "Defaults < --recipe < flags.",
        )
        parser.add_argument("--recipe", metavar="FILE.toml", help="options from a file, such as tasks/*/*.toml")
        parser.add_argument("--run-dir", metavar="DIR", help=f"a directory to make (default: runs/{task.name}/N)")
        parser.add_argument("--resume", metavar="RUN_DIR", help="go on with an interrupted run, with its own options")
        parser.add_argument("--export-dir", metavar="DIR", default="saved_models", help="default: saved_models")
        together = parser.add_argument_group("several processes, with KERAS_BACKEND=jax")
        together.add_argument(
            "--coordinator", metavar="HOST:PORT", help="of process 0, or auto: by Slurm or Kubernetes"
        )
        together.add_argument("--num-processes", metavar="N", type=_positive, help="that train together")
        together.add_argument("--process-id", metavar="I", type=int, help="of this one, from 0; 0 writes the run")
        parser.add_argument("--seeds", metavar="0,1,2", help="one run for each of these seeds, and their mean")
        parser.add_argument(
            "--record",
            action="store_true",
            help=f"keep the numbers in tasks/{task.name}/results.json, or of the sample the answers in samples.md",
        )
        _add_options(parser, task.config)
    else:
        about = {
            "evaluate": "Scores a run on a split of its own data, or of other data.",
            "predict": "Answers inputs, given as arguments or as lines on standard input.",
            "export": "Writes the next version of the SavedModel and proves that it answers as `predict` does.",
        }
        parser = _Parser(prog=f"{program} {verb}", description=about[verb])
        parser.add_argument("run_dir", metavar="RUN_DIR", help=f"what `train` wrote, such as runs/{task.name}/1")
    if verb == "evaluate":
        parser.add_argument("--data", help="sample, tfds:NAME or a directory (default: what the run was trained on)")
        parser.add_argument("--split", choices=("train", "validation", "test"), default="test")
    if verb == "predict":
        parser.add_argument("inputs", metavar="INPUT", nargs="*", help="standard input, a line each, without it")
        for name in task.pictures:
            parser.add_argument(f"--{name}", metavar="FILE.png", help=f"draw the {name} of the first input's answer")
    if verb in ("evaluate", "predict"):
        parser.add_argument("--json", action="store_true", help="a JSON object a line")
    if verb == "export":
        parser.add_argument("--to", metavar="DIR", default="saved_models", help="default: saved_models")
        parser.add_argument(
            "--format",
            choices=("saved_model", "litert", "onnx"),
            default="saved_model",
            help="saved_model for TensorFlow and its servers; litert or onnx for small devices: ids in, no text",
        )
        parser.add_argument(
            "--keep", metavar="N", type=_positive, help="delete versions older than the newest N (default: keep all)"
        )
    return parser


def main(task: Task, arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Returns the exit status: 0, or 2 after one line on standard error."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    verb = arguments.pop(0) if arguments and arguments[0] in VERBS else "train"
    try:
        if verb == "train" and arguments and not arguments[0].startswith("-"):
            raise InputError(
                f"unknown verb {arguments[0]!r}{did_you_mean(arguments[0], VERBS)}; it is one of {', '.join(VERBS)}"
            )
        options = _parser(task, verb).parse_all(arguments)
        if verb != "train":
            os.environ["KERAS_BACKEND"] = "tensorflow"  # what answers raw input is made of its operations
        {"train": _train, "evaluate": _evaluate, "predict": _predict, "export": _export}[verb](task, options, arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a file that may not be read
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(str(error) or "interrupted", file=sys.stderr)
        return 128 + getattr(error, "signal", signal.SIGINT)
    return 0


def configure(task: Task, options: argparse.Namespace) -> Config:
    """Defaults < recipe < flags."""
    known = {entry.name for entry in dataclasses.fields(task.config)}
    flags = {name: value for name, value in vars(options).items() if name in known}
    return dataclasses.replace(task.config.from_toml(options.recipe) if options.recipe else task.config(), **flags)


def _train(task: Task, options: argparse.Namespace, arguments: list[str]) -> None:
    if options.coordinator:
        devices.join(options.coordinator, options.num_processes, options.process_id)
    runs = []
    for run in _resumed(task, options) if options.resume else _trained(task, options, arguments):
        if not devices.writes():
            continue
        runs.append(run)
        _print_result(task, run)
        if options.record:
            record(run, Path("tasks"))
    if not runs:
        return
    version = runs[0].export(options.export_dir)
    if len(runs) > 1:
        for name in runs[0].metrics["metrics"]:
            values = [run.metrics["metrics"][name] for run in runs]
            if isinstance(values[0], (int, float)):
                say(
                    f"{name}: {statistics.mean(values):.4f} ± {statistics.stdev(values):.4f} over seeds {options.seeds}"
                )
    _print_answers(task, runs[0])
    say(f"run directory: {', '.join(str(run.directory) for run in runs)}")
    say(f"SavedModel:    {version}  (saved_models/README.md says how to serve it)")
    say(f'ask it:        python -m zoo.tasks.{task.name} predict {runs[0].directory} "…"')


def _trained(task: Task, options: argparse.Namespace, arguments: list[str]) -> Iterator[Run]:
    cfg = configure(task, options)
    try:
        seeds = [int(seed) for seed in options.seeds.split(",")] if options.seeds else [cfg.seed]
    except ValueError:
        raise InputError(f"--seeds {options.seeds}: expected whole numbers like 0,1,2") from None
    if cfg.data == "sample":
        say("the bundled sample: generated data, to see the whole way in seconds. For real data: --data (see --help)")
    for seed in seeds:
        yield task.train(
            dataclasses.replace(cfg, seed=seed),
            run_dir=f"{options.run_dir}-seed{seed}" if options.run_dir and len(seeds) > 1 else options.run_dir,
            recipe=options.recipe or "defaults",
            command=shlex.join(["python", "-m", f"zoo.tasks.{task.name}", *arguments]),
        )


def _resumed(task: Task, options: argparse.Namespace) -> Iterator[Run]:
    fixed = {entry.name for entry in dataclasses.fields(task.config)} | {"recipe", "run_dir", "seeds"}
    for name, value in vars(options).items():
        if name in fixed and value is not None:
            raise InputError(
                f"--{name.replace('_', '-')} with --resume: the run goes on with the options of its config.toml; "
                "--init starts a new run from the weights of a finished one"
            )
    yield task.resume(options.resume)


def _print_result(task: Task, run: Run) -> None:
    record = run.metrics
    baseline = record["baseline"]
    seconds, epochs = record["seconds"], record["epochs"]
    say(f"\ntest split, {record['examples']['test']:,} examples, epoch {epochs['kept']} of {epochs['run']}")
    for name, value in record["metrics"].items():
        if isinstance(value, (int, float)):
            beside = f"   {baseline['name']}: {baseline[name]:.4f}" if name in baseline else ""
            say(f"  {name:<18} {value:.4f}{beside}")
    say(
        f"  {seconds['setup']:.0f} s set-up, {seconds['train']:.0f} s training "
        f"({record['tokens_per_second']:,.0f} real tokens a second), {seconds['evaluate']:.0f} s evaluation; "
        f"baseline {baseline['seconds']:.0f} s"
    )


def _print_answers(task: Task, run: Run) -> None:
    rows = run.first_examples(5)
    say("\nanswers")
    for example, answer in zip(rows, run.predict(rows), strict=True):
        say(f"  {task.show(example, answer)}")
    say("")


def _evaluate(task: Task, options: argparse.Namespace, arguments: list[str]) -> None:
    scores = _load(task, options.run_dir).evaluate(options.data, split=options.split)
    if options.json:
        print(json.dumps(scores))
        return
    for name, value in scores.items():
        say(f"{name:<18} {value:.4f}" if isinstance(value, float) else f"{name:<18} {value}")


def _predict(task: Task, options: argparse.Namespace, arguments: list[str]) -> None:
    run = _load(task, options.run_dir)
    if not options.inputs and sys.stdin.isatty():
        say("one input a line, end with Ctrl-D")
    inputs = options.inputs or [line.rstrip("\n") for line in sys.stdin]
    questions = [_question(run, text) for text in inputs]
    for name, draw in task.pictures.items():
        if (path := getattr(options, name)) and questions:
            draw(run, questions[0], Path(path))
    for question, answer in zip(questions, run.predict(questions), strict=True):
        told = {name: value for name, value in {**question, **answer}.items() if not isinstance(value, bytes)}
        print(json.dumps(told, ensure_ascii=False) if options.json else task.show(question, answer))


def _question(run: Run, word: str) -> dict:
    """What a word of the command line asks: itself, or the file it names where the input's name ends in _bytes."""
    name = next(iter(run.service.inputs))
    if not name.endswith("_bytes"):
        return run.service.question(word)[1]
    try:
        return {name.removesuffix("_bytes"): word, name: Path(word).read_bytes()}
    except OSError as error:
        raise InputError(f"cannot read {word}: {error.strerror}") from error


def _export(task: Task, options: argparse.Namespace, arguments: list[str]) -> None:
    version = _load(task, options.run_dir).export(options.to, format=options.format, keep=options.keep)
    say(f"{options.format}: {version}")


def _load(task: Task, run_dir: str) -> Run:
    run = Run.load(run_dir)
    if run.task.name != task.name:
        raise InputError(f"{run_dir} is a run of {run.task.name}: python -m zoo.tasks.{run.task.name}")
    return run


def record(run: Run, tasks: Path) -> None:
    """Puts the run's numbers into `tasks`/TASK/results.json, in place of an earlier run of that recipe and seed.

    Of a run on the bundled sample it keeps the samples of answers instead: its numbers mean nothing, and the examples
    of real data sets are not the zoo's to give away.
    """
    folder = tasks / run.task.name
    folder.mkdir(parents=True, exist_ok=True)
    if run.cfg.data == "sample":
        (folder / "samples.md").write_bytes((run.directory / "samples.md").read_bytes())
        return
    path = folder / "results.json"
    records = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    key = ("recipe", "seed")
    records = [old for old in records if any(old[k] != run.metrics[k] for k in key)] + [run.metrics]
    records.sort(key=lambda entry: [str(entry[k]) for k in key])
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
