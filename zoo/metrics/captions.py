"""Metrics of captions, computed by the code of the COCO captioning challenge."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from zoo import errors


def scores(answers: Sequence[str], *, references: Sequence[Sequence[str]]) -> dict[str, float]:
    """bleu_1 to bleu_4 and rouge_l, 0 to 1, and cider, 0 to 10.

    BLEU: Papineni et al. 2002, https://aclanthology.org/P02-1040; ROUGE-L: Lin 2004, https://aclanthology.org/W04-1013;
    CIDEr-D: Vedantam et al. 2015, https://arxiv.org/abs/1411.5726. CIDEr counts term frequencies in `references`.

    Args:
        answers: one caption per picture, its tokens separated by blanks.
        references: all captions that people wrote for each picture, in the same form.
    """
    errors.needs("pycocoevalcap", extra="captioning")
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    candidates = {i: [answer] for i, answer in enumerate(answers)}
    truth = {i: list(captions) for i, captions in enumerate(references)}
    bleu, _ = Bleu(4).compute_score(truth, candidates, verbose=0)
    cider, _ = Cider().compute_score(truth, candidates)
    rouge, _ = Rouge().compute_score(truth, candidates)
    values = {"bleu_4": bleu[3], "cider": cider, "rouge_l": rouge}
    values |= {f"bleu_{n + 1}": bleu[n] for n in range(3)}
    return {name: float(value) for name, value in values.items()}


def phrase_f1(answer: str, *, references: Iterable[str]) -> float:
    """F1 of the answer's words and pairs of neighbouring words against those of the closest reference, 0 to 1.

    The pairs tell "a square below a circle" from "a circle below a square".
    """

    def phrases(caption: str) -> Counter:
        words = caption.split()
        return Counter(words) + Counter(pairwise(words))

    def f1(reference: str) -> float:
        true = phrases(reference)
        return 2 * (said & true).total() / max((said + true).total(), 1)

    said = phrases(answer)
    return max(map(f1, references))
