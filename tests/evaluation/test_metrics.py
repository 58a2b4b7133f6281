"""Metrics against brute-force definitions written as loops, and against `keras.metrics` where that is exact."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv.errors import InputError
from tfconv.evaluation import metrics
from tfconv.evaluation import metrics as curves

BINARY_HEAD = {
    "accuracy", "accuracy_baseline", "auc", "auc_precision_recall", "average_loss",
    "label/mean", "precision", "prediction/mean", "recall",
}  # fmt: skip

# Few distinct values, so that ties are common.
pairs = st.lists(st.tuples(st.integers(0, 1), st.sampled_from([-2.5, -1.0, 0.0, 0.5, 3.0])), min_size=1, max_size=30)


def draw(seed, shape, classes=None):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=shape).round(1)
    return rng.integers(0, classes or 2, shape if classes is None else shape[0]), logits


@given(pairs)
def test_auc_is_the_share_of_pairs_in_order(examples):
    labels, scores = np.array([y for y, _ in examples]), np.array([s for _, s in examples])
    wins = [(p > n) + 0.5 * (p == n) for p in scores[labels == 1] for n in scores[labels == 0]]
    got = curves.auc(labels, scores)
    assert math.isnan(got) if not wins else got == pytest.approx(np.mean(wins), abs=1e-12)


@given(pairs)
def test_average_precision_by_every_threshold(examples):
    labels, scores = np.array([y for y, _ in examples]), np.array([s for _, s in examples])
    area, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = labels[scores >= threshold]
        recall = chosen.sum() / labels.sum() if labels.sum() else math.nan
        area, before = area + (recall - before) * chosen.mean(), recall
    np.testing.assert_allclose(curves.average_precision(labels, scores), area, atol=1e-12)


@given(pairs)
def test_binary_metrics_by_loops(examples):
    labels, logits = [y for y, _ in examples], [s for _, s in examples]
    got = metrics.binary_metrics(labels, np.array(logits)[:, None])
    assert set(got) == BINARY_HEAD
    p = [1 / (1 + math.exp(-s)) for s in logits]
    hit = sum(y and q > 0.5 for y, q in zip(labels, p, strict=True))
    n = len(labels)
    assert got["accuracy"] == pytest.approx(sum((q > 0.5) == y for y, q in zip(labels, p, strict=True)) / n)
    assert got["accuracy_baseline"] == pytest.approx(max(sum(labels), n - sum(labels)) / n)
    assert got["precision"] == pytest.approx(hit / max(1, sum(q > 0.5 for q in p)))
    assert got["recall"] == pytest.approx(hit / max(1, sum(labels)))
    loss = [-math.log(q if y else 1 - q) for y, q in zip(labels, p, strict=True)]
    assert got["average_loss"] == pytest.approx(sum(loss) / n)
    assert got["label/mean"] == pytest.approx(sum(labels) / n)
    assert got["prediction/mean"] == pytest.approx(sum(p) / n)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_many_class_metrics_by_loops(seed, classes):
    labels, logits = draw(seed, (17, classes), classes)
    got = metrics.many_class_metrics(labels, logits, top_k=2)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    order = [sorted(range(classes), key=lambda c, row=row: (-row[c], c)) for row in logits]
    answers = [o[0] for o in order]
    assert got["accuracy"] == pytest.approx(np.mean([a == y for a, y in zip(answers, labels, strict=True)]))
    if classes > 2:
        assert got["top_2_accuracy"] == pytest.approx(np.mean([y in o[:2] for o, y in zip(order, labels, strict=True)]))
    else:
        assert "top_2_accuracy" not in got
    assert got["average_loss"] == pytest.approx(np.mean([-np.log(p[i, y]) for i, y in enumerate(labels)]))
    assert got["accuracy_baseline"] == max(list(labels).count(c) for c in range(classes)) / 17
    f1 = []
    for c in sorted(set(labels) | set(answers)):
        tp = sum(a == c == y for a, y in zip(answers, labels, strict=True))
        precision, recall = tp / max(1, answers.count(c)), tp / max(1, list(labels).count(c))
        f1.append(2 * precision * recall / (precision + recall) if tp else 0.0)
    assert got["macro/f1"] == pytest.approx(np.mean(f1))


def test_confusion_matrix_and_class_scores():
    matrix = metrics.confusion_matrix([0, 0, 1, 2, 2, 2], [0, 1, 1, 2, 2, 0], 4)
    np.testing.assert_array_equal(matrix, [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]])
    scores = metrics.class_scores(matrix)
    np.testing.assert_allclose(scores["precision"], [1 / 2, 1 / 2, 1, 0])
    np.testing.assert_allclose(scores["recall"], [1 / 2, 1, 2 / 3, 0])
    np.testing.assert_allclose(scores["f1"], [1 / 2, 2 / 3, 4 / 5, 0])
    np.testing.assert_array_equal(scores["support"], [2, 1, 3, 0])


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_multi_label_metrics_by_loops(seed):
    labels, logits = draw(seed, (13, 3))
    got = metrics.multi_label_metrics(labels.astype(np.float32), logits)
    yes = logits > 0
    cells = [(bool(labels[i, j]), bool(yes[i, j])) for i in range(13) for j in range(3)]
    assert got["accuracy"] == pytest.approx(np.mean([a == b for a, b in cells]))
    assert got["subset_accuracy"] == pytest.approx(
        np.mean([list(a) == list(b) for a, b in zip(labels, yes, strict=True)])
    )
    hits = sum(a and b for a, b in cells)
    assert got["micro/precision"] == pytest.approx(hits / max(1, sum(b for _, b in cells)))
    assert got["micro/recall"] == pytest.approx(hits / max(1, sum(a for a, _ in cells)))
    each = [metrics.binary_metrics(labels[:, j], logits[:, j]) for j in range(3)]
    for name, single in [("precision", "precision"), ("recall", "recall"), ("auc", "auc")]:
        assert got[f"macro/{name}"] == pytest.approx(np.nanmean([row[single] for row in each]))
    assert got["average_loss"] == pytest.approx(np.mean([row["average_loss"] for row in each]))
    assert got["accuracy_baseline"] == pytest.approx(np.mean([row["accuracy_baseline"] for row in each]))


def test_one_number_of_each_kind_agrees_with_keras():
    import keras

    labels, logits = draw(3, (500, 1))
    p = metrics.probabilities(logits)[:, 1]
    got = metrics.binary_metrics(labels[:, 0], logits)
    fine = keras.metrics.AUC(num_thresholds=5000)
    fine.update_state(labels[:, 0], p)
    assert got["auc"] == pytest.approx(float(fine.result()), abs=2e-3)  # Keras rounds to its thresholds
    for name, metric in [("precision", keras.metrics.Precision()), ("recall", keras.metrics.Recall())]:
        metric.update_state(labels[:, 0], p)
        assert got[name] == pytest.approx(float(metric.result()), abs=1e-6)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)(labels.astype("float32"), logits)
    assert got["average_loss"] == pytest.approx(float(loss), rel=1e-5)


def test_probabilities():
    logits = np.array([[-800.0], [0.0], [2.0], [800.0]])
    two = metrics.probabilities(logits)
    assert two.dtype == np.float32
    np.testing.assert_allclose(two[:, 1], [0, 0.5, 1 / (1 + math.exp(-2)), 1], rtol=1e-6)
    np.testing.assert_allclose(two.sum(axis=1), 1)
    many = metrics.probabilities([[1000.0, 1000.0, -1000.0], [0.0, math.log(2), math.log(5)]])
    np.testing.assert_allclose(many, [[0.5, 0.5, 0], [1 / 8, 2 / 8, 5 / 8]], rtol=1e-6)
    np.testing.assert_allclose(metrics.probabilities(logits, task="multi-label"), two[:, 1:])


def test_far_logits_keep_their_order_and_a_finite_loss():
    got = metrics.binary_metrics([0, 1, 1], [60.0, 70.0, 80.0])
    assert got["auc"] == 1.0  # as probabilities all three are 1.0 and the AUC would be one half
    assert got["average_loss"] == pytest.approx(20.0)


@given(pairs, st.sampled_from([5, 21]))
def test_threshold_counts_by_loops(examples, thresholds):
    labels = np.array([y for y, _ in examples])
    p = metrics.probabilities(np.array([[s] for _, s in examples]))[:, 1]
    got = curves.threshold_counts(labels, p, thresholds)
    for column, t in enumerate(np.linspace(0, 1, thresholds).astype(np.float32)):
        yes = p >= t
        want = [
            sum(yes & (labels == 1)),
            sum(yes & (labels == 0)),
            sum(~yes & (labels == 0)),
            sum(~yes & (labels == 1)),
        ]
        assert list(got[:4, column]) == want
        assert got[4, column] == pytest.approx(want[0] / max(1, want[0] + want[1]))
        assert got[5, column] == pytest.approx(want[0] / max(1, labels.sum()))


def test_one_class_only_is_an_honest_nan():
    ones = metrics.binary_metrics([1, 1], [0.3, -0.3])
    assert math.isnan(ones["auc"]) and ones["auc_precision_recall"] == 1.0 and ones["accuracy_baseline"] == 1.0
    zeros = metrics.binary_metrics([0, 0], [0.3, -0.3])
    assert math.isnan(zeros["auc"]) and math.isnan(zeros["auc_precision_recall"]) and zeros["recall"] == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.binary_metrics([], []), "no examples"),
        (lambda: metrics.binary_metrics([0, 1], [0.0, math.nan]), "NaN"),
        (lambda: metrics.binary_metrics([0, 1], [0.0, math.inf]), "infinite"),
        (lambda: metrics.binary_metrics([0, -1], [0.0, 1.0]), "must be 0 or 1, got -1"),
        (lambda: metrics.binary_metrics([0, 1], [0.0]), "one shape"),
        (lambda: metrics.many_class_metrics([], np.zeros((0, 3))), "no examples"),
        (lambda: metrics.many_class_metrics([0, 3], np.zeros((2, 3))), "class index 3 is outside 0 to 2"),
        (lambda: metrics.many_class_metrics([0], [[0, math.nan, 1]]), "NaN"),
        (lambda: metrics.many_class_metrics([0], [[0.0]]), "binary_metrics"),
        (lambda: metrics.multi_label_metrics(np.zeros((0, 3)), np.zeros((0, 3))), "no examples"),
        (lambda: metrics.multi_label_metrics([[0, 0.5]], [[1.0, 2.0]]), "0 or 1, got 0.5"),
        (lambda: metrics.multi_label_metrics([[0, 1]], [[1.0, 2.0, 3.0]]), "do not fit"),
        (lambda: metrics.probabilities([1.0, 2.0]), "shape"),
        (lambda: curves.threshold_counts([0, 1], [0.5, 1.5]), "must lie in"),
    ],
)
def test_what_cannot_be_scored_is_an_input_error(call, message):
    with pytest.raises(InputError, match=message):
        call()
