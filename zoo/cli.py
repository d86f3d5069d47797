"""The command line: `zoo train|compare|search TASK`, `zoo predict|evaluate|inspect|export RUN_DIR`.

`python -m zoo.tasks.TASK …` works as well. Flags are made from a task's Config. `--help` and wrong flags are answered
without loading TensorFlow. An error that the user can fix is one line on standard error and exit status 2.
"""

import argparse
import contextlib
import json
import os
import shlex
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from zoo import __version__, flags, options, quiet, run_dir
from zoo import task as tasks
from zoo.errors import InputError, did_you_mean
from zoo.task import Task

VERBS = {
    "train": "Trains, evaluates on the test split, exports a SavedModel, and shows a few answers.",
    "predict": "Answers inputs, given as arguments, as lines on standard input, or as a file.",
    "evaluate": "Scores a run on a split of its own data, or of other data.",
    "inspect": "Draws what happens inside for one input: states and gates, which steps mattered, how far it remembers.",
    "export": "Writes the next version of the SavedModel and proves that it answers as `predict` does.",
    "compare": "Trains a grid of variants with several seeds: a table and plots of the metric against its cost.",
    "search": "Searches for the options that validation likes best; the test split is not read.",
}
OF_A_TASK = ("train", "compare", "search")  # their first argument is a task; that of the others is a run directory
HIDDEN = {"trace": "Traces an export into a folder; a child process of `export` runs it."}


def main(arguments: Sequence[str] | None = None, *, task: str | None = None) -> int:
    """Runs one command.

    Args:
        arguments: by default those of the process.
        task: the task of the arguments; `zoo train` names it in its first argument.
    Returns:
        the exit status: 0, or 2 after one line on standard error.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if task is None and words[:1] in ([], ["-h"], ["--help"], ["--version"]):
            print(f"zoo {__version__}" if words == ["--version"] else _overview(), flush=True)
            return 0
        default = ["train"] if task else []  # `python -m zoo.tasks.TASK --flag` trains
        verb, *words = words if words and not words[0].startswith("-") else [*default, *words]
        if verb not in VERBS and verb not in HIDDEN:
            is_task = verb in tasks.summaries()
            guess = f"; did you mean 'train {verb}'?" if is_task else did_you_mean(verb, VERBS)
            raise InputError(f"unknown verb {verb!r}{guess}; the verbs are {', '.join(VERBS)}")
        if verb in OF_A_TASK and task is None:
            if not words or words[0].startswith("-"):
                raise InputError(f"zoo {verb} TASK: the tasks are {', '.join(tasks.summaries())}")
            task, *words = words
        _COMMANDS[verb](tasks.get(task) if task else None, words)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at the end
        return 128 + 13  # as a shell says of SIGPIPE, which Windows lacks
    except OSError as error:  # a full disk, a file that may not be read
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(str(error) or "interrupted", file=sys.stderr)
        return 128 + getattr(error, "signal", signal.SIGINT)
    return 0


def _overview() -> str:
    lines = [f"zoo {__version__}: recurrent sequence models, from raw data to a served model", ""]
    width = max(map(len, tasks.summaries()))
    lines += [f"  zoo train {name:<{width}}  {summary}" for name, summary in tasks.summaries().items()]
    lines += ["", "Each trains on its bundled sample, most of them within a minute. A finished run knows its task:", ""]
    more = {"predict": " …", "inspect": " …"}
    of_a_run = [verb for verb in VERBS if verb not in OF_A_TASK]
    lines += [f"  zoo {verb} RUN_DIR{more.get(verb, '')}".ljust(28) + VERBS[verb] for verb in of_a_run]
    lines += ["", "Many runs, one after the other or side by side:", ""]
    lines += [f"  zoo {verb} TASK …".ljust(28) + VERBS[verb] for verb in OF_A_TASK[1:]]
    return "\n".join(
        [*lines, "", "Every verb has its own --help. `python -m zoo.tasks.TASK` is the same as `zoo train TASK`."]
    )


def _program(task: Task | None, verb: str) -> str:
    return f"python -m zoo.tasks.{tasks.name_of(task)} {verb}" if task else f"zoo {verb}"


# ---- train


def _train_parser(task: Task) -> flags.Parser:
    name = tasks.name_of(task)
    parser = flags.Parser(
        prog=f"zoo train {name}",
        description=f"{tasks.summaries()[name]} {VERBS['train']}",
        epilog="Defaults < --recipe < flags. Afterwards: zoo predict RUN_DIR INPUT …, zoo evaluate RUN_DIR, "
        "zoo export RUN_DIR.",
    )
    first = flags.add_options(parser, task)
    first.add_argument("--run-dir", metavar="DIR", help=f"a directory to make (default: runs/{name}/N)")
    first.add_argument("--resume", metavar="RUN_DIR", help="continue an interrupted run, with its own options")
    more = parser.add_argument_group("results")
    more.add_argument("--export-dir", metavar="DIR", default="saved_models", help="default: saved_models")
    more.add_argument("--seeds", metavar="0,1,2", help="one run for each of these seeds, and their mean")
    more.add_argument(
        "--until",
        choices=("validation", "test", "export"),
        default="export",
        help="stop before the test split is read, or when it has been scored (default: export)",
    )
    several = parser.add_argument_group("several processes, with KERAS_BACKEND=jax")
    several.add_argument(
        "--coordinator", metavar="HOST:PORT", help="address of process 0; auto: from Slurm or Kubernetes"
    )
    several.add_argument("--num-processes", metavar="N", type=flags.positive, help="processes that train together")
    several.add_argument(
        "--process-id", metavar="I", type=int, help="number of this process, from 0; process 0 writes the run"
    )
    return parser


def _train(task: Task | None, words: list[str]) -> None:
    assert task
    given = _train_parser(task).parse_all(words)
    cfg = flags.configured(task, given, ("recipe", "run_dir", "seeds"))
    seeds = flags.seeds(given.seeds, cfg.seed)
    quiet.load_keras()
    from zoo import report
    from zoo.data.remarks import say
    from zoo.training import devices

    if given.coordinator:
        devices.join(given.coordinator, given.num_processes, given.process_id)
    runs = []
    for run in _runs(task, given, cfg, seeds, words):
        if devices.writes():
            runs.append(run)
            say("\n" + "\n".join(report.run_lines(run.metrics, task.METRICS)))
    if not runs:
        return
    version = runs[0].export(given.export_dir) if given.until == "export" else None
    if len(runs) > 1:
        for metric in task.METRICS:
            values = [run.metrics["metrics"].get(metric.name) for run in runs]
            if all(isinstance(value, (int, float)) for value in values):
                mean, spread = (format(f(values), metric.format) for f in (statistics.mean, statistics.stdev))
                say(f"{metric.name}: {mean} ± {spread} over seeds {given.seeds}")
    if version is None:
        say(f"\nrun directory: {', '.join(str(run.directory) for run in runs)}")
        return
    say("\nanswers")
    rows = runs[0].first_examples(5)
    for example, answer in zip(rows, runs[0].predict(rows), strict=True):
        say(f"  {task.show(example, answer)}")
    say(f"\nrun directory: {', '.join(str(run.directory) for run in runs)}")
    say(f"SavedModel:    {version}  (saved_models/README.md says how to serve it)")
    question = "FILE" if tasks.optional(task, "questions") else '"…"'
    say(f"ask it:        zoo predict {runs[0].directory} {question}")


def _runs(task: Task, given: argparse.Namespace, cfg: Any, seeds: list[int], words: list[str]) -> Iterator[Any]:
    import dataclasses

    from zoo import trainer
    from zoo.data.remarks import say

    test = given.until != "validation"
    if given.resume:
        yield trainer.resume(task, given.resume, test=test)
        return
    if cfg.data == "sample":
        say("the bundled sample: generated data, trained in seconds; --data takes real data")
    for seed in seeds:
        yield trainer.train(
            task,
            dataclasses.replace(cfg, seed=seed),
            directory=f"{given.run_dir}-seed{seed}" if given.run_dir and len(seeds) > 1 else given.run_dir,
            recipe=given.recipe or "defaults",
            command=shlex.join(["python", "-m", f"zoo.tasks.{tasks.name_of(task)}", *words]),
            test=test,
        )


# ---- compare, search


def _grid_parser(task: Task, verb: str) -> tuple[flags.Parser, Any]:
    """A parser with all options of the task, and a group for those of the verb."""
    name = tasks.name_of(task)
    parser = flags.Parser(prog=f"zoo {verb} {name}", description=VERBS[verb], epilog="Defaults < --recipe < flags.")
    own = parser.add_argument_group(verb)
    own.add_argument("--run-dir", metavar="DIR", help=f"a directory to make (default: runs/{name}/{verb}-N)")
    own.add_argument("--resume", metavar="DIR", help="continue what was interrupted; finished runs stay")
    flags.add_options(parser, task)
    return parser, own


def _compare(task: Task | None, words: list[str]) -> None:
    assert task
    parser, own = _grid_parser(task, "compare")
    own.add_argument("--vary", metavar="NAME=A,B", action="append", default=[], help="an option and its values; repeat")
    own.add_argument("--seeds", metavar="0,1,2", help="seeds of each variant (default: --seed)")
    own.add_argument(
        "--equal-weights", action="store_true", help="choose units: as many trainable weights as the first variant has"
    )
    given = parser.parse_all(words)
    cfg = flags.configured(task, given, ("recipe", "run_dir", "seeds", "vary", "equal_weights"))
    from zoo import comparison

    if given.resume:
        comparison.resume(task, given.resume)
        return
    if not given.vary:
        raise InputError("--vary is missing: name an option and its values, as in --vary cell=lstm,gru")
    vary: dict[str, list[Any]] = {}
    for text in given.vary:
        name, _, listed = text.partition("=")
        name = name.replace("-", "_")
        if name in vary:
            raise InputError(f"--vary {name}: given twice; list all its values in one")
        vary[name] = [options.parse(task.Config, name, word) for word in listed.split(",")]
    comparison.begin(
        task,
        cfg,
        vary,
        seeds=flags.seeds(given.seeds, cfg.seed),
        equal_weights=given.equal_weights,
        directory=given.run_dir,
        recipe=given.recipe or "defaults",
        command=shlex.join(["zoo", "compare", tasks.name_of(task), *words]),
    )


def _search(task: Task | None, words: list[str]) -> None:
    assert task
    parser, own = _grid_parser(task, "search")
    own.add_argument(
        "--space",
        metavar="NAME=VALUES",
        action="append",
        default=[],
        help="an option and its values, as in cell=lstm,gru, dropout=0..0.6 or units=64..512:log; repeat",
    )
    own.add_argument(
        "--trials", metavar="N", type=flags.positive, help="trials in all (default: 30, or the whole grid)"
    )
    own.add_argument(
        "--sampler", choices=("tpe", "grid", "random"), help="how trials are drawn (default: tpe, near good trials)"
    )
    own.add_argument(
        "--jobs", metavar="N", type=flags.positive, help="processes that train at the same time (default: 1)"
    )
    given = parser.parse_all(words)
    cfg = flags.configured(task, given, ("recipe", "run_dir", "space", "sampler"))
    from zoo import hyperparameters

    if given.resume:
        hyperparameters.resume(task, given.resume, trials=given.trials, jobs=given.jobs)
        return
    if not given.space:
        raise InputError("--space is missing: name an option and its values, as in --space dropout=0..0.6")
    hyperparameters.begin(
        task,
        cfg,
        given.space,
        trials=given.trials,
        sampler=given.sampler or "tpe",
        jobs=given.jobs or 1,
        directory=given.run_dir,
        recipe=given.recipe or "defaults",
        command=shlex.join(["zoo", "search", tasks.name_of(task), *words]),
    )


# ---- predict


def _predict(task: Task | None, words: list[str]) -> None:
    task = task or _task_of(words)
    parser = _run_parser(task, "predict")
    parser.add_argument("inputs", metavar="INPUT", nargs="*", help="by default one input a line on standard input")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each input")
    parser.add_argument("--signature", metavar="NAME", help="the signature to ask, such as n_best")
    parser.add_argument("--input", metavar="FILE", help="answer each row of a .csv, .tsv, .jsonl or text file")
    parser.add_argument("--output", metavar="FILE", help="write the same rows with their answers (.csv, .tsv, .jsonl)")
    parser.add_argument("--column", metavar="NAME", help="the column of --input that holds the input")
    parser.add_argument("--input-json", metavar="-", help=argparse.SUPPRESS)  # for a child process of another backend
    for name in tasks.artifacts(task) if task else ():
        stem, _, suffix = name.partition(".")
        parser.add_argument(f"--{stem}", metavar=f"FILE.{suffix}", help=f"write the {stem} of the first input's answer")
    given = parser.parse_all(words)
    if given.output and not given.input:
        raise InputError("--output needs --input FILE; without a file, answers go to standard output")
    run = _load(task, given.run_dir)
    from zoo import predictions
    from zoo.run import from_json, to_json

    if given.input:
        predictions.answer_file(run, given.input, given.output, column=given.column, signature=given.signature)
        return
    if given.input_json:
        questions: list[Any] = [json.loads(line, object_hook=from_json) for line in sys.stdin]
        for answer in run.predict(questions, signature=given.signature):
            print(json.dumps(answer, default=to_json))
        return
    if not given.inputs and sys.stdin.isatty():
        print("one input a line, end with Ctrl-D", file=sys.stderr)
    inputs = given.inputs or [line.rstrip("\n") for line in sys.stdin]
    questions = [one for word in inputs for one in predictions.questions(run, word, given.signature)]
    for name, make in tasks.artifacts(run.task).items():
        if (path := getattr(given, name.partition(".")[0].replace("-", "_"))) and questions:
            make(run, questions[0], Path(path))
    for question, answer in zip(questions, run.predict(questions, signature=given.signature), strict=True):
        told = predictions.readable({**question, **answer})
        as_json = given.json or given.signature
        print(json.dumps(told, ensure_ascii=False) if as_json else run.task.show(question, answer))


# ---- evaluate, inspect, export, trace


def _evaluate(task: Task | None, words: list[str]) -> None:
    parser = _run_parser(task, "evaluate")
    parser.add_argument("--data", help="sample, tfds:NAME or a directory (default: the data it was trained on)")
    parser.add_argument("--split", choices=("train", "validation", "test"), default="test")
    parser.add_argument("--backtest", metavar="N", type=flags.positive, help="score N parts of the test split in turn")
    parser.add_argument("--refit", action="store_true", help="with --backtest: train anew before each part")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--report", action="store_true", help=argparse.SUPPRESS)  # for a run on another backend
    given = parser.parse_all(words)
    run = _load(task, given.run_dir)
    if given.refit and not given.backtest:
        raise InputError("--refit needs --backtest N")
    if given.backtest:
        _backtest(run, given)
        return
    scores = run.report() if given.report else run.evaluate(given.data, split=given.split)
    if given.json:
        print(json.dumps(scores))
        return
    formats = {metric.name: metric.format for metric in run.task.METRICS}
    for name, value in scores.items():
        print(f"{name:<18} {format(value, formats.get(name, '.4f')) if isinstance(value, float) else value}")


def _backtest(run: Any, given: argparse.Namespace) -> None:
    """Scores the run, or one that is trained for it, on parts of the test split that follow one another."""
    import dataclasses

    from zoo import trainer

    make = tasks.optional(run.task, "folds")
    if not make:
        raise InputError(f"--backtest: {run.name} has no order in time; leave it out to score a split as a whole")
    if given.data or given.split != "test":
        raise InputError("--backtest takes the test split of the run's own data; leave out --data and --split")
    rows = []
    for number, cfg in enumerate(make(run.cfg, given.backtest), 1):
        print(f"part {number} of {given.backtest}", file=sys.stderr, flush=True)
        if given.refit:
            with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
                rows.append(trainer.train(run.task, cfg, directory=Path(folder) / "run").metrics["metrics"])
        else:
            with contextlib.redirect_stdout(sys.stderr):
                rows.append(dataclasses.replace(run, cfg=cfg).evaluate())
    if given.json:
        print(json.dumps(rows))
        return
    for metric in run.task.METRICS:
        values = [row[metric.name] for row in rows]
        parts = "  ".join(f"{metric.text(value):>8}" for value in values)
        print(f"{metric.name:<12} {metric.text(statistics.mean(values)):>8}   in turn: {parts}")


def _inspect(task: Task | None, words: list[str]) -> None:
    parser = _run_parser(task, "inspect")
    parser.add_argument("input", metavar="INPUT", help="a text, or a file where `predict` takes one")
    parser.add_argument(
        "--output", metavar="DIR", help="for pictures and inspection.json (default: RUN_DIR/inspection)"
    )
    parser.add_argument(
        "--step", metavar="N", type=flags.positive, help="explain the answer at this step alone, from 1"
    )
    parser.add_argument("--json", action="store_true", help="print inspection.json instead of a summary")
    given = parser.parse_all(words)
    run = _load(task, given.run_dir, precision="float32")
    from zoo import inspection

    folder = Path(given.output or Path(given.run_dir) / "inspection")
    found = inspection.inspect(run, given.input, folder, step=given.step)
    print(json.dumps(found, ensure_ascii=False) if given.json else "\n".join(inspection.summary(found)))
    print(f"pictures: {folder}", file=sys.stderr)


def _export(task: Task | None, words: list[str]) -> None:
    parser = _run_parser(task, "export")
    parser.add_argument("--to", metavar="DIR", default="saved_models", help="default: saved_models")
    parser.add_argument(
        "--format",
        choices=("saved_model", "litert", "onnx"),
        default="saved_model",
        help="saved_model for TensorFlow and its servers; litert or onnx for small devices: numbers in, no text",
    )
    parser.add_argument("--keep", metavar="N", type=flags.positive, help="delete all but the newest N versions")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_all(words)
    version = _load(task, given.run_dir).export(given.to, format=given.format, keep=given.keep)
    print(json.dumps(str(version)) if given.json else f"{given.format}: {version}")


def _trace(task: Task | None, words: list[str]) -> None:
    parser = _run_parser(task, "trace")
    parser.add_argument("folder")
    parser.add_argument("--format", choices=("saved_model", "litert", "onnx"), required=True)
    given = parser.parse_all(words)
    run = _load(task, given.run_dir, precision="float32")
    from zoo.export import publish, small_devices

    if given.format == "saved_model":
        # Warm-up requests are published with the model, so they are never made of the run's own data.
        samples = list(islice(run.task.examples(run.task.Config(), "train"), 8))
        publish.trace(run, Path(given.folder), samples)
    else:
        small_devices.trace(run, Path(given.folder), given.format)


def _run_parser(task: Task | None, verb: str) -> flags.Parser:
    parser = flags.Parser(prog=_program(task, verb), description=(VERBS | HIDDEN)[verb])
    example = f"runs/{tasks.name_of(task) if task else 'sentiment'}/1"
    parser.add_argument("run_dir", metavar="RUN_DIR", help=f"the directory of a run, such as {example}")
    return parser


def _task_of(words: list[str]) -> Task | None:
    """The task of the run that the first argument names; None where it names none."""
    named = next((word for word in words if not word.startswith("-")), None)
    return run_dir.read_origin(Path(named))[0] if named else None


def _load(task: Task | None, directory: str, precision: str | None = None) -> Any:
    found, _ = run_dir.read_origin(Path(directory))
    if task is not None and found is not task:
        raise InputError(f"{directory} is a run of {tasks.name_of(found)}: python -m zoo.tasks.{tasks.name_of(found)}")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # answers to raw input are made by its operations
    quiet.load_keras()
    from zoo.run import Run

    run = Run.load(directory, precision=precision)
    if not run.metrics:
        how = f"python -m zoo.tasks.{tasks.name_of(found)} --resume {directory}"
        print(f"note: {directory} was trained, but not evaluated; finish it with: {how}", file=sys.stderr)
    return run


_COMMANDS = {
    "train": _train,
    "predict": _predict,
    "evaluate": _evaluate,
    "inspect": _inspect,
    "export": _export,
    "compare": _compare,
    "search": _search,
    "trace": _trace,
}
