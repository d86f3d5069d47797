"""Trains a task on many rows and prints the most memory that the process ever had resident, in MB.

python -m tests.memory TASK FOLDER ROWS      # the data is written to FOLDER first
"""

import functools
import json
import random
import resource
import sys
from pathlib import Path

from tests.conftest import small
from zoo import task as tasks
from zoo import trainer
from zoo.baselines import labels as label_baselines
from zoo.baselines import translation as translation_baselines
from zoo.training import wide


def sentiment(folder: Path, rows: int) -> None:
    """Reviews of 10 kB, of which a run reads the beginning."""
    draw = random.Random(0)
    words = [f"word{i}" for i in range(5000)]
    for split, count in (("train", rows), ("val", 50), ("test", 50)):
        with (folder / f"{split}.jsonl").open("w") as file:
            for i in range(count):
                label = ("bad", "fine")[i % 2]
                file.write(json.dumps({"text": " ".join([label, *draw.choices(words, k=1200)]), "label": label}) + "\n")


def translation(folder: Path, rows: int) -> None:
    """Sentences of four words."""
    draw = random.Random(0)
    for split, count in (("train", rows), ("val", 50), ("test", 50)):
        lines = [" ".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=4)) for _ in range(count)]
        (folder / f"{split}.en").write_text("".join(f"{line}\n" for line in lines))
        (folder / f"{split}.de").write_text("".join(f"{line[::-1]}\n" for line in lines))


def main(name: str, folder: Path, rows: int) -> None:
    folder.mkdir(parents=True)
    # Both sizes are beyond what the baseline and the n-grams learn from, as large data is.
    label_baselines.nbsvm = functools.partial(label_baselines.nbsvm, characters=2_000_000)
    wide.CHARACTERS //= 20  # reads it first: a lazy module that runs later would set it again
    translation_baselines.word_for_word = functools.partial(translation_baselines.word_for_word, pairs_at_most=2_000)
    {"sentiment": sentiment, "translation": translation}[name](folder, rows)
    task = tasks.get(name)
    options = small(task, limit=None, epochs=1, max_length=20, vocabulary=40, batch_tokens=8192)
    trainer.train(task, task.Config(data=str(folder), **options), directory=folder / "run")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
