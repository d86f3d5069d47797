"""What the tasks report: public metrics by well-kept libraries, and the classical baselines beside them."""

from collections.abc import Iterable, Sequence

import numpy as np


def classification(truth: Sequence[str], answers: Sequence[dict], labels: Sequence[str]) -> dict[str, float]:
    """accuracy, and auc: the area under the ROC curve, for more than two labels the mean of one against the rest.

    Args:
        answers: with "label" and "probabilities", float[labels] each.
    """
    from sklearn.metrics import roc_auc_score

    index = np.array([labels.index(label) for label in truth])
    accuracy = float(np.mean([label == answer["label"] for label, answer in zip(truth, answers, strict=True)]))
    probabilities = np.array([answer["probabilities"] for answer in answers], np.float64)
    present = np.unique(index)
    if len(present) < 2:
        return {"accuracy": accuracy, "auc": float("nan")}
    areas = [roc_auc_score(index == i, probabilities[:, i]) for i in (present[1:] if len(labels) == 2 else present)]
    return {"accuracy": accuracy, "auc": float(np.mean(areas))}


def tfidf_baseline(train: Iterable[dict], test: Iterable[dict], *, seed: int) -> tuple[str, list[dict]]:
    """TF-IDF of words and word pairs, and logistic regression: answers in the form that `classification` scores."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32)
    features = vectorizer.fit_transform(example["text"] for example in train)
    classifier = LogisticRegression(C=10.0, max_iter=1000, random_state=seed)
    classifier.fit(features, [example["label"] for example in train])
    probabilities = classifier.predict_proba(vectorizer.transform(example["text"] for example in test))
    labels = [str(label) for label in classifier.classes_]
    answers = [
        {"label": labels[row.argmax()], "probabilities": row.tolist(), "labels": labels} for row in probabilities
    ]
    return "TF-IDF 1–2-grams + logistic regression", answers
