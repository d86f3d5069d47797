"""Metrics of transcripts, computed by jiwer."""

from collections import defaultdict
from collections.abc import Sequence

from zoo import errors


def scores(answers: Sequence[str], *, truth: Sequence[str]) -> dict[str, float]:
    """wer and cer: words, and characters, that have to be inserted, deleted or replaced, as a share of the truth.

    They may exceed 1 where an answer is longer than the truth. Words are what blanks divide, case included.
    """
    errors.needs("jiwer", extra="speech")
    import jiwer

    return {"wer": jiwer.wer(list(truth), list(answers)), "cer": jiwer.cer(list(truth), list(answers))}


def by_speaker(answers: Sequence[str], *, truth: Sequence[str], speakers: Sequence[str]) -> list[dict]:
    """One row for each speaker, the worst first: recordings, wer and cer."""
    groups = defaultdict(list)
    for one in zip(speakers, answers, truth, strict=True):
        groups[one[0]].append(one[1:])
    rows = []
    for speaker, pairs in groups.items():
        said, true = zip(*pairs, strict=True)
        rows.append({"speaker": speaker, "recordings": len(pairs), **scores(said, truth=true)})
    return sorted(rows, key=lambda row: (-row["wer"], row["speaker"]))
