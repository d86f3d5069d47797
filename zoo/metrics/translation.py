"""Metrics of translations, computed by sacreBLEU (Post 2018, https://aclanthology.org/W18-6319)."""

from collections.abc import Sequence

from zoo import errors


def scores(answers: Sequence[str], *, truth: Sequence[str]) -> dict[str, float | str]:
    """bleu and chrf of raw text, both 0 to 100, and the sacreBLEU signature of each.

    A signature lists the settings (tokenization, case, smoothing, version) that another BLEU must share to be
    comparable. chrF: Popović 2015, https://aclanthology.org/W15-3049.
    """
    errors.needs("sacrebleu", extra="translation")
    from sacrebleu.metrics import BLEU, CHRF

    bleu, chrf = BLEU(), CHRF()
    return {
        "bleu": bleu.corpus_score(answers, [truth]).score,
        "chrf": chrf.corpus_score(answers, [truth]).score,
        "bleu_signature": str(bleu.get_signature()),
        "chrf_signature": str(chrf.get_signature()),
    }


def sentence_chrf(answer: str, *, truth: str) -> float:
    """chrF of one sentence, 0 to 100."""
    errors.needs("sacrebleu", extra="translation")
    from sacrebleu.metrics import CHRF

    return CHRF().sentence_score(answer, [truth]).score
