"""Searches for the options that validation likes best, with Optuna; one process trains each trial.

    zoo search sentiment --space units=64..512:log --space dropout=0..0.6 --space cell=lstm,gru --trials 30

DIR/search.json     the question
DIR/trials.sqlite   Optuna's record of all trials; this process alone writes it
DIR/trials/N        the run directories; a trial that a kill interrupts goes on from its checkpoint
DIR/best.toml       the recipe of the best trial so far; trials.csv has all of them
DIR/*.png           the history of the search, its trials as lines, and how much each option matters

The test split is not read. The best recipe is trained and scored like any other: zoo train TASK --recipe DIR/best.toml
"""

import dataclasses
import itertools
import json
import os
import random
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo import children, options, quiet, report, run_dir
from zoo import task as tasks
from zoo.data import atomic
from zoo.data.remarks import say
from zoo.errors import InputError, needs
from zoo.metrics.metric import direction
from zoo.options import Training
from zoo.plots import tables, trials
from zoo.task import Task

if TYPE_CHECKING:
    import optuna

Sampler = Literal["tpe", "grid", "random"]


@dataclasses.dataclass(frozen=True)
class Dimension:
    """An option and the values that are searched: a list, or a range that includes both ends.

    Attributes:
        values: the list; empty for a range.
        step: of a range; None is 1 for whole numbers and no step for others.
        log: draw from a range evenly in the logarithm.
    """

    name: str
    values: tuple[Any, ...] = ()
    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False

    @classmethod
    def parse(cls, config: type, text: str) -> "Dimension":
        """From NAME=A,B,C or NAME=LOW..HIGH, NAME=LOW..HIGH:STEP, NAME=LOW..HIGH:log.

        Raises:
            InputError: the text has another form, or the option does not take these values.
        """
        name, equals, listed = text.partition("=")
        name = name.replace("-", "_")
        form = "NAME=A,B,C or NAME=LOW..HIGH, with :log or :STEP after it"
        if not equals or not listed:
            raise InputError(f"--space {text}: expected {form}")
        kind = options.kind_of(config, name)[0] if name in options.names(config) else str
        if ".." not in listed or kind not in (int, float):
            return cls(name, tuple(options.parse(config, name, word) for word in listed.split(",")))
        ends, _, how = listed.partition(":")
        low, high = (options.parse(config, name, word) for word in ends.split("..", 1))
        try:
            step = kind(how) if how not in ("", "log") else None
        except ValueError:
            step = 0
        if None in (low, high) or not low < high or not (step is None or step > 0) or (how == "log" and low <= 0):
            raise InputError(f"--space {text}: expected LOW below HIGH, and after it :log (LOW above 0) or :STEP")
        return cls(name, low=low, high=high, step=step, log=how == "log")

    def suggest(self, trial: "optuna.Trial") -> Any:
        """The value of this trial: the old one if it has one already."""
        if self.values:
            return trial.suggest_categorical(self.name, self.values)
        if isinstance(self.low, int):
            return trial.suggest_int(self.name, self.low, int(self.high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)

    def points(self) -> list[Any]:
        """All values of a grid.

        Raises:
            InputError: a range without a step has too many.
        """
        if self.values:
            return list(self.values)
        step = self.step or (1 if isinstance(self.low, int) and not self.log else None)
        if step is None:
            raise InputError(
                f"--sampler grid: {self.name} needs a list of values, or a range with a step, as in 0..0.6:0.1"
            )
        count = int((self.high - self.low) / step + 1e-9) + 1
        return [self.low + i * step for i in range(count)]


def begin(
    task: Task,
    cfg: Training,
    space: Sequence[str],
    *,
    trials: int | None = None,
    sampler: Sampler = "tpe",
    jobs: int = 1,
    directory: str | None = None,
    recipe: str = "defaults",
    command: str = "",
) -> Path:
    """Searches, and writes the best recipe, a table and plots. Gives their folder.

    Args:
        space: option and values, as in "units=64..512:log" or "cell=lstm,gru".
        trials: by default 30, or the whole grid.
        sampler: "tpe" draws where earlier trials were good (Bergstra et al. 2011), "random" anywhere; "grid" takes all
            combinations, or `trials` of them.
        jobs: processes that train at the same time.
        directory: a folder to make; by default runs/TASK/search-N.
    Raises:
        InputError: the space or the data is wrong; nothing stays then.
        KeyboardInterrupt: a signal; the message says how to go on.
    """
    needs("optuna", extra="search", purpose="zoo search")
    direction(cfg.monitor, task.METRICS)
    if not cfg.monitor.startswith("val_"):
        raise InputError(f"--monitor {cfg.monitor}: a search needs a value of validation, such as val_loss")
    dimensions = [Dimension.parse(task.Config, text) for text in space]
    if doubled := {one.name for one in dimensions if [other.name for other in dimensions].count(one.name) > 1}:
        raise InputError(f"--space {doubled.pop()}: given twice")
    if sampler == "grid" and not trials:
        trials = len(grid(dimensions))
    path = children.new_folder(task, "search", directory)
    asked = {
        "task": tasks.name_of(task),
        "recipe": recipe,
        "command": command,
        "space": list(space),
        "trials": trials or 30,
        "sampler": sampler,
        "jobs": jobs,
        "cfg": dataclasses.asdict(cfg),
    }
    return _run(task, path, asked)


def resume(task: Task, directory: str, *, trials: int | None = None, jobs: int | None = None) -> Path:
    """Goes on with a search. Finished trials stay, interrupted ones go on from their checkpoints.

    Args:
        trials, jobs: as for `begin`; by default as before.
    """
    needs("optuna", extra="search", purpose="zoo search")
    path = Path(directory)
    asked = children.read_question(path, "search", task)
    asked |= {name: value for name, value in (("trials", trials), ("jobs", jobs)) if value}
    return _run(task, path, asked)


def _run(task: Task, path: Path, asked: dict[str, Any]) -> Path:
    with children.folder(path, how=f"zoo search {tasks.name_of(task)} --resume {path}") as lock:
        atomic.write(path / "search.json", json.dumps(asked, indent=1, ensure_ascii=False) + "\n")
        Search(task, path, asked, lock).run()
    return path


class Trial:
    """A trial and the process that trains it.

    Args:
        trial: Optuna's record of it.
        child: the process.
        monitor: the value that is reported after each epoch.
        slot: the number of the process among those that train at the same time.
    """

    def __init__(self, trial: "optuna.Trial", child: children.Child, *, monitor: str, slot: int):
        self.trial, self.child, self.monitor, self.slot = trial, child, monitor, slot
        frozen = trial.study.get_trials(deepcopy=False)[trial.number]
        self.epochs = len(frozen.intermediate_values)  # those that were reported before a kill

    def ended(self) -> bool:
        """Tells Optuna the epochs that are new, and the result if there is one; stops a trial that is pruned.

        Raises:
            InputError: the run failed, other than by a loss that is not finite.
        """
        import optuna

        ran = self.child.running()
        pruned = self._report() and ran and self.trial.should_prune()
        if pruned:
            self.child.stop()
        elif ran:
            return False
        state = optuna.trial.TrialState
        if self.child.finished:
            record = self.child.metrics()
            self.trial.set_user_attr("weights", record["trainable_parameters"])
            self.trial.set_user_attr("seconds", record["seconds"]["train"])
            self.trial.study.tell(self.trial, record["validation"][self.monitor])
        elif pruned:
            self.trial.study.tell(self.trial, state=state.PRUNED)
            shutil.rmtree(self.child.directory / "checkpoints", ignore_errors=True)
        else:
            self.trial.study.tell(self.trial, state=state.FAIL)
            if not self.child.diverged:
                raise InputError(f"trial {self.trial.number}: {self.child.error()}")
        return True

    def _report(self) -> bool:
        """Whether an epoch has ended since the last look."""
        path = self.child.directory
        values = run_dir.read_history(path)[self.monitor] if (path / "history.csv").exists() else []
        known = self.epochs
        for epoch, value in enumerate(values[known:], known):
            self.trial.report(value, epoch)
        self.epochs = max(known, len(values))
        return self.epochs > known


class Search:
    """A search in a locked folder.

    Args:
        asked: the content of search.json.
        lock: the descriptor of the folder's lock.
    """

    def __init__(self, task: Task, path: Path, asked: dict[str, Any], lock: int):
        import optuna

        self.task, self.path, self.asked, self.lock = task, path, asked, lock
        self.cfg = task.Config(**asked["cfg"])
        self.space = [Dimension.parse(task.Config, text) for text in asked["space"]]
        self.metric = report.find(self.cfg.monitor.removeprefix("val_"), task.METRICS)
        better = direction(self.cfg.monitor, task.METRICS)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.study = optuna.create_study(
            storage=f"sqlite:///{path / 'trials.sqlite'}",
            study_name="search",
            load_if_exists=True,
            direction="minimize" if better == "min" else "maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
        )
        seed = self.cfg.seed + len(self.study.trials)  # a search that goes on must not draw the first trials again
        make = optuna.samplers.TPESampler if asked["sampler"] == "tpe" else optuna.samplers.RandomSampler
        self.study.sampler = make(seed=seed)
        if asked["sampler"] == "grid":
            points = grid(self.space)
            asked["trials"] = min(asked["trials"], len(points))
            random.Random(self.cfg.seed).shuffle(points)
            for point in points[: asked["trials"]]:
                self.study.enqueue_trial(point, skip_if_exists=True)

    def run(self) -> None:
        """Trains until all trials have ended; then draws the plots."""
        import optuna

        state = optuna.trial.TrialState
        left = [optuna.Trial(self.study, each._trial_id) for each in self.study.get_trials(states=(state.RUNNING,))]
        waiting = len(self.study.get_trials(states=(state.WAITING,)))
        begun = len(self.study.trials) - waiting
        free, running = list(range(self.asked["jobs"])), list[Trial]()
        try:
            while running or left or begun < self.asked["trials"]:
                while free and (left or begun < self.asked["trials"]):
                    begun += not left
                    running.append(self._start(left.pop(0) if left else self.study.ask(), free.pop()))
                time.sleep(children.PAUSE)
                for trial in list(running):
                    if trial.ended():
                        running.remove(trial)
                        free.append(trial.slot)
                        self._write(trial.trial.number)
        finally:
            for trial in running:
                trial.child.stop()
        self._draw()

    def _start(self, trial: "optuna.Trial", slot: int) -> Trial:
        cfg = dataclasses.replace(self.cfg, **{one.name: one.suggest(trial) for one in self.space})
        child = children.Child(
            self.task,
            cfg,
            self.path / "trials" / str(trial.number),
            until="validation",
            lock=self.lock,
            cores=_share_of_cores(slot, self.asked["jobs"]),
        )
        return Trial(trial, child, monitor=self.cfg.monitor, slot=slot)

    def _rows(self) -> list[dict[str, Any]]:
        """The trials that have ended."""
        return [
            {
                "trial": each.number,
                "state": each.state.name.lower(),
                self.cfg.monitor: each.value,
                "epochs": len(each.intermediate_values),
                "weights": each.user_attrs.get("weights"),
                "seconds": each.user_attrs.get("seconds"),
                **{one.name: each.params[one.name] for one in self.space},
            }
            for each in self.study.get_trials(deepcopy=False)
            if each.state.is_finished()
        ]

    def _write(self, number: int) -> None:
        """Prints the line of a trial that has ended, and writes the table and the best recipe so far."""
        rows = self._rows()
        tables.write(rows, self.path / "trials.csv")
        row = next(row for row in rows if row["trial"] == number)
        changes = ", ".join(f"{one.name}={options.word(row[one.name])}" for one in self.space)
        result = {"complete": "", "pruned": "pruned, ", "fail": "diverged"}[row["state"]]
        if row[self.cfg.monitor] is not None:
            value = self.metric.text(row[self.cfg.monitor])
            result += f"{self.cfg.monitor} {value}, {report.count(row['epochs'], 'epoch')}"
        if row["seconds"]:
            result += f", {row['seconds']:.0f} s"
        best = ""
        if any(row["state"] == "complete" for row in rows):
            trial, value = self.study.best_trial, self.metric.text(self.study.best_value)
            best = f"; best {value} (trial {trial.number})"
            recipe = dataclasses.replace(self.cfg, **trial.params)
            head = (
                f"# {self.cfg.monitor} {value}, the best of {len(rows)} trials on validation; "
                f"the test split was not read:\n# {self.asked['command']}\n"
            )
            atomic.write(self.path / "best.toml", head + recipe.to_toml())
        say(f"{len(rows)} of {self.asked['trials']}  trial {number}  {changes}: {result}{best}")

    def _draw(self) -> None:
        import optuna

        rows = [row for row in self._rows() if row["state"] != "fail"]
        names = [one.name for one in self.space]
        logs = [one.name for one in self.space if one.log]
        how: dict[str, Any] = {"monitor": self.cfg.monitor, "metric": self.metric}
        if not rows:
            raise InputError("every trial diverged; search lower values of learning_rate")
        quiet.load_keras()  # matplotlib asks TensorFlow, which the task names, whether values are tensors
        trials.history(rows, self.path / "history.png", **how)
        trials.parallel(rows, self.path / "parallel_coordinates.png", names=names, logs=logs, **how)
        values = [row[self.cfg.monitor] for row in rows if row["state"] == "complete"]
        if len(set(values)) > 1:
            importance = optuna.importance.get_param_importances(self.study)
            trials.importance(importance, self.path / "importance.png", monitor=self.cfg.monitor)
        say(f"\nbest recipe: {self.path}/best.toml; {self.path} has trials.csv and the plots")
        say(f"score it:    zoo train {tasks.name_of(self.task)} --recipe {self.path}/best.toml")


def grid(space: Sequence[Dimension]) -> list[dict[str, Any]]:
    """All combinations of the values."""
    names = [one.name for one in space]
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*(one.points() for one in space))]


def _share_of_cores(slot: int, jobs: int) -> list[int] | None:
    """The cores of one of several processes; None if they cannot be shared out."""
    if jobs == 1 or not hasattr(os, "sched_getaffinity"):
        return None
    return sorted(os.sched_getaffinity(0))[slot::jobs] or None
