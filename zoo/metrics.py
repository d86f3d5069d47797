"""What the tasks report: public metrics by well-kept libraries, and the classical baselines beside them."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence

import keras
import numpy as np
from keras import ops

from zoo.data.sources import Examples, limit
from zoo.errors import InputError
from zoo.layers.crf import best_tags
from zoo.losses import token_crossentropy


@keras.saving.register_keras_serializable("zoo")
class Perplexity(keras.metrics.Metric):
    """exp of the mean −log probability of all tokens seen, by weight: right however tokens fall into batches.

    The mean of the batches' perplexities, or exp of an epoch's mean loss, is neither.
    """

    def __init__(self, name: str = "perplexity", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """int[B, S] tokens, float[B, S, V] logits, float[B, S] weights, 0 on padding."""
        # Tokens as floats, as Keras gives them to a loss: one graph then computes this once for both.
        loss = token_crossentropy(ops.cast(y_true, "float32"), y_pred)
        weight = ops.ones_like(loss) if sample_weight is None else ops.cast(sample_weight, loss.dtype)
        self.total.assign_add(ops.sum(loss * weight))
        self.count.assign_add(ops.sum(weight))

    def result(self):
        return ops.exp(self.total / ops.maximum(self.count, 1.0))


@keras.saving.register_keras_serializable("zoo")
class TagAccuracy(keras.metrics.Mean):
    """Share of tokens whose tag is the one that `layers.crf.best_tags` chooses; for `weighted_metrics=`.

    `update_state` takes int[B, T] tags, the output of `layers.crf.Softmax` or `layers.crf.CRF`, and float[B, T]
    weights, 0 on padding.
    """

    def __init__(self, name: str = "accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        tags, _ = best_tags(ops.convert_to_tensor(y_pred))
        super().update_state(ops.equal(ops.cast(y_true, "int32"), tags), sample_weight=sample_weight)


def translation(truth: Sequence[str], answers: Sequence[str]) -> dict[str, float | str]:
    """bleu and chrf by sacreBLEU on raw text, both 0 to 100, with the signatures that say how they were computed.

    Post 2018, https://aclanthology.org/W18-6319; chrF: Popović 2015, https://aclanthology.org/W15-3049.
    """
    from sacrebleu.metrics import BLEU, CHRF

    bleu, chrf = BLEU(), CHRF()
    return {
        "bleu": bleu.corpus_score(answers, [truth]).score,
        "chrf": chrf.corpus_score(answers, [truth]).score,
        "bleu_signature": str(bleu.get_signature()),
        "chrf_signature": str(chrf.get_signature()),
    }


def word_for_word(
    train: Examples, test: Iterable[dict], *, rounds: int = 5, pairs_at_most: int = 50_000
) -> tuple[str, list[dict]]:
    """Each source word replaced by its likeliest translation under IBM model 1, learned by expectation maximisation.

    Brown et al. 1993, section 4.1, https://aclanthology.org/J93-2003.

    Args:
        train, test: with "source" and "target" texts; words are what stands between blanks.
        pairs_at_most: of train are learned from, drawn at random: all links between words are in memory at once.
    """
    name = "word for word (IBM model 1)"
    if len(train) > pairs_at_most:
        train = limit(train, pairs_at_most, seed=0)
        name += f", learned from {len(train):,} pairs"
    source_ids: dict[str, int] = {}
    target_ids: dict[str, int] = {}
    links = []  # every source word of a pair with every target word of it
    first = 0  # target words so far
    for example in train:
        source = np.array([source_ids.setdefault(word, len(source_ids)) for word in example["source"].split()], int)
        target = np.array([target_ids.setdefault(word, len(target_ids)) for word in example["target"].split()], int)
        place = first + np.arange(len(target))
        links.append(np.stack([np.tile(source, len(target)), target.repeat(len(source)), place.repeat(len(source))]))
        first += len(target)
    sources, targets, places = np.concatenate([np.zeros((3, 0), int), *links], axis=1)
    pairs, pair = np.unique(sources * max(len(target_ids), 1) + targets, return_inverse=True)
    words, partners = np.divmod(pairs, max(len(target_ids), 1))
    chance = np.ones(len(pairs))  # P(target word | source word), up to the first round's normalisation
    for _ in range(rounds):
        share = chance[pair] / np.bincount(places, chance[pair])[places]  # which source word wrote this target word?
        counts = np.bincount(pair, share)
        chance = counts / np.bincount(words, counts)[words]
    order = np.lexsort((chance, words))  # of each word's partners the likeliest comes last
    names = list(target_ids)
    best = {int(word): names[int(partner)] for word, partner in zip(words[order], partners[order], strict=True)}
    return name, [
        {"translation": " ".join(best.get(source_ids.get(word, -1), word) for word in example["source"].split())}
        for example in test
    ]


def sentence_chrf(truth: str, answer: str) -> float:
    """chrF of one sentence, 0 to 100."""
    from sacrebleu.metrics import CHRF

    return CHRF().sentence_score(answer, [truth]).score


def classification(truth: Sequence[str], answers: Sequence[dict], labels: Sequence[str]) -> dict[str, float]:
    """accuracy, and auc: the area under the ROC curve, for more than two labels the mean of one against the rest.

    Args:
        answers: with "label" and "probabilities", float[labels] each.
    """
    from sklearn.metrics import roc_auc_score

    if unknown := sorted(set(truth) - set(labels)):
        raise InputError(f"label {unknown[0]!r} is none of those that the model was trained on: {', '.join(labels)}")
    index = np.array([labels.index(label) for label in truth])
    accuracy = float(np.mean([label == answer["label"] for label, answer in zip(truth, answers, strict=True)]))
    probabilities = np.array([answer["probabilities"] for answer in answers], np.float64)
    present = np.unique(index)
    if len(present) < 2:
        return {"accuracy": accuracy, "auc": float("nan")}
    areas = [roc_auc_score(index == i, probabilities[:, i]) for i in (present[1:] if len(labels) == 2 else present)]
    return {"accuracy": accuracy, "auc": float(np.mean(areas))}


def tfidf_baseline(
    train: Examples, test: Examples, *, seed: int, characters: int = 40_000_000
) -> tuple[str, list[dict]]:
    """TF-IDF of words and word pairs, and logistic regression: answers in the form that `classification` scores.

    Args:
        characters: of train's texts so many at most are learned from, drawn by example: all are in memory at once.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    name = "TF-IDF 1–2-grams + logistic regression"
    length = sum(len(example["text"]) for example in train)
    if length > characters:
        train = limit(train, len(train) * characters // length, seed=seed)
        name += f", learned from {len(train):,} examples"
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32)
    features = vectorizer.fit_transform(example["text"] for example in train)
    classifier = LogisticRegression(C=10.0, max_iter=1000, random_state=seed)
    classifier.fit(features, [example["label"] for example in train])
    probabilities = classifier.predict_proba(vectorizer.transform(example["text"] for example in test))
    labels = [str(label) for label in classifier.classes_]
    answers = [
        {"label": labels[row.argmax()], "probabilities": row.tolist(), "labels": labels} for row in probabilities
    ]
    return name, answers


def tagging(answers: Sequence[dict], examples: Iterable[dict], *, known: Container[str]) -> dict[str, float]:
    """accuracy of words, oov_accuracy of the words that are not `known`, sentence_accuracy: all words of it right.

    Args:
        answers: with "tags".
        examples: with "tokens" and "tags".
        known: the word forms of the training split, as written.
    """
    right, new, whole = [], [], []
    for answer, example in zip(answers, examples, strict=True):
        hits = [guess == true for guess, true in zip(answer["tags"], example["tags"], strict=True)]
        right += hits
        new += [hit for hit, token in zip(hits, example["tokens"], strict=True) if token not in known]
        whole.append(all(hits))
    shares = {"accuracy": right, "oov_accuracy": new, "sentence_accuracy": whole}
    return {name: float(np.mean(hits)) if hits else float("nan") for name, hits in shares.items()}


def per_tag(truth: Sequence[str], predicted: Sequence[str]) -> str:
    """Precision, recall, F1 and the number of words of every tag, as a table for people."""
    from sklearn.metrics import classification_report

    return classification_report(truth, predicted, digits=3, zero_division=0)


def most_frequent_tag(train: Iterable[dict], test: Iterable[dict]) -> tuple[str, list[dict]]:
    """Each word's most frequent tag in training, for a new word the most frequent of all; ties in alphabetical order.

    Args:
        train, test: with "tokens", and for training "tags".
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for example in train:
        for token, tag in zip(example["tokens"], example["tags"], strict=True):
            counts[token][tag] += 1

    def first(tags: Counter[str]) -> str:
        return min(tags, key=lambda tag: (-tags[tag], tag))

    best = {token: first(tags) for token, tags in counts.items()}
    overall: Counter[str] = Counter()
    for tags in counts.values():
        overall.update(tags)
    otherwise = first(overall)
    return "most frequent tag of each word", [
        {"tags": [best.get(token, otherwise) for token in example["tokens"]]} for example in test
    ]


def captioning(answers: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """bleu_1 … bleu_4 and rouge_l, 0 to 1, and cider, 0 to 10, as the COCO captioning challenge computes them.

    BLEU: Papineni et al. 2002, https://aclanthology.org/P02-1040; ROUGE-L: Lin 2004, https://aclanthology.org/W04-1013;
    CIDEr-D: Vedantam et al. 2015, https://arxiv.org/abs/1411.5726. Term frequencies of CIDEr are those of `references`.

    Args:
        answers: a caption a picture: its tokens, with a blank between them.
        references: every caption that people wrote of it, likewise.
    """
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    said = {i: [answer] for i, answer in enumerate(answers)}
    true = {i: list(captions) for i, captions in enumerate(references)}
    bleu, _ = Bleu(4).compute_score(true, said, verbose=0)
    cider, _ = Cider().compute_score(true, said)
    rouge, _ = Rouge().compute_score(true, said)
    scores = {"bleu_4": bleu[3], "cider": cider, "rouge_l": rouge}
    scores |= {f"bleu_{n + 1}": bleu[n] for n in range(3)}
    return {name: float(value) for name, value in scores.items()}


def shared_words(answer: str, references: Iterable[str]) -> float:
    """Of the words of an answer and of the reference nearest to it, the share that both have; 0 to 1 (F1)."""
    said = Counter(answer.split())

    def f1(reference: str) -> float:
        true = Counter(reference.split())
        return 2 * (said & true).total() / max((said + true).total(), 1)

    return max(map(f1, references))
