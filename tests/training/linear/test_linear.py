"""The solver of n-gram models against dense algebra, automatic differentiation and closed forms."""

import numpy as np
import pytest
import tensorflow as tf

from tfconv.data import NGrams
from tfconv.errors import InputError
from tfconv.models import NGramLinear
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL
from tfconv.training import choose_blend, solve_ngrams
from tfconv.training.linear.lbfgs import minimize
from tfconv.training.linear.presence import PresenceMatrix


def test_the_least_of_a_quadratic_function_is_that_of_its_linear_equations():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(30, 20))
    matrix, vector = root.T @ root, rng.normal(size=20)
    calls = []

    def function(point):
        calls.append(1)
        return 0.5 * point @ matrix @ point - vector @ point, matrix @ point - vector

    found = minimize(function, np.zeros(20), tolerance=1e-7)
    np.testing.assert_allclose(found, np.linalg.solve(matrix, vector), rtol=1e-4, atol=1e-5)
    assert len(calls) < 100
    np.testing.assert_array_equal(minimize(function, found, tolerance=1.0), found)


@pytest.mark.parametrize("columns", [1, 3])
def test_products_are_those_of_the_dense_matrix(columns):
    rng = np.random.default_rng(1)
    dense = (rng.random((7, 11)) < 0.3).astype(np.float32)
    dense[[0, 4]], dense[:, [0, 10]] = 0, 0  # empty rows, also the first; empty columns, also the last
    matrix = PresenceMatrix(dense.sum(axis=1).astype(np.int64), np.nonzero(dense)[1].astype(np.int32), 11)
    right, left = rng.normal(size=(11, columns)), rng.normal(size=(7, columns))
    right, left = right.astype(np.float32), left.astype(np.float32)
    np.testing.assert_allclose(matrix.times(right), dense @ right, atol=1e-5)
    np.testing.assert_allclose(matrix.transposed_times(left), dense.T @ left, atol=1e-5)
    rows = np.array([6, 0, 2, 2])
    np.testing.assert_allclose(matrix.take(rows).times(right), dense[rows] @ right, atol=1e-5)
    np.testing.assert_array_equal(matrix.counts, dense.sum(axis=0))
    nothing = PresenceMatrix(np.zeros(2, np.int64), np.zeros(0, np.int32), 3)
    assert not nothing.times(np.ones((3, columns), np.float32)).any()


def texts_of(n, classes, seed):
    """Texts of random words, a few of which come more often with one class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n).astype(np.int32)
    words = rng.integers(0, 60, (n, 12))
    signs = rng.random((n, 12)) < 0.15
    words = np.where(signs, 100 + labels[:, None], words)
    return [" ".join(f"w{word}" for word in row) for row in words], labels


@pytest.mark.parametrize(("outputs", "task"), [(1, CLASSIFICATION), (3, CLASSIFICATION), (3, MULTI_LABEL)])
def test_the_gradient_of_the_loss_is_zero_at_the_solution(outputs, task):
    texts, classes = texts_of(300, max(outputs, 2), 2)
    labels = classes if task.exclusive else (np.eye(outputs)[classes] + np.eye(outputs)[(classes + 1) % 3] > 0)
    labels = labels if task.exclusive else labels.astype(np.float32)
    hashed = NGrams((1, 1), (2, 3), buckets=2**31 - 1).encode(texts)
    ngrams = NGrams((1, 1), (2, 3), buckets=2**31 - 1).listing(hashed.flat_values.numpy())
    ids = ngrams.relisted(hashed)
    model = NGramLinear(ngrams.size, classes=outputs)
    found = solve_ngrams(model, ids, labels, task=task, word_ids=ngrams.word_ids)
    assert solve_ngrams(NGramLinear(ngrams.size, classes=outputs), ids, labels, task=task, word_ids=ngrams.word_ids)
    layer = model.get_layer("logits")
    # Written from the docstring, with dense matrices.
    dense = np.zeros((300, ngrams.size), np.float32)
    dense[ids.value_rowids(), ids.flat_values] = 1
    counts = dense.sum(axis=0)
    scale = np.log(301 / (1 + counts)) + 1
    norms = [
        np.sqrt((counts * scale**2)[part].sum() / 300)
        for part in (slice(ngrams.word_ids), slice(ngrams.word_ids, None))
    ]
    scale[: ngrams.word_ids] /= norms[0]
    scale[ngrams.word_ids :] *= 0.7 / norms[1]
    np.testing.assert_allclose(layer.scale, scale, rtol=1e-4)
    inputs = dense * scale
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    targets = labels if labels.ndim == 2 else np.eye(outputs)[labels] if outputs > 1 else labels[:, None]
    targets = targets.astype(np.float32)
    kernel = tf.Variable(layer.kernel / found.temperature)
    bias = tf.Variable(layer.bias / found.temperature)
    present = dense.T @ targets + 1
    absent = counts[:, None] - dense.T @ targets + 1
    ratios = np.log(present / present.sum(axis=0)) - np.log(absent / absent.sum(axis=0))
    prior = np.abs(ratios) ** found.power
    mass = counts[:, None] * scale[:, None] ** 2
    prior /= np.sqrt((mass * prior**2).sum(axis=0) / mass.sum())
    with tf.GradientTape() as tape:
        logits = inputs @ kernel + bias
        if task.exclusive and outputs > 1:
            losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
        else:
            losses = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits), axis=1)
        penalty = tf.reduce_sum((kernel / np.maximum(prior, 1e-9)) ** 2) / (2 * found.strength * 300)
        loss = tf.reduce_mean(losses) + penalty
    slopes = [
        slope.numpy() * prior if slope.shape.rank == 2 else slope.numpy()
        for slope in tape.gradient(loss, [kernel, bias])
    ]
    at_zero = inputs.T @ (targets.mean(axis=0) - targets) / 300 * prior
    norm = np.sqrt(sum((slope**2).sum() for slope in slopes))
    assert norm < 0.02 * np.linalg.norm(at_zero)
    # A held-out text whose sign is there is classified; chance is one over the classes.
    others, expected = texts_of(300, max(outputs, 2), 3)
    answers = model(ngrams.encode(others).to_tensor(0)).numpy()
    right = (answers[:, 0] > 0) == expected if outputs == 1 else answers.argmax(axis=1) == expected
    assert found.examples == 300 and (not task.exclusive or (right.mean() > 0.8 and found.held_out > 0.8))


def test_equal_texts_give_equal_weights_and_class_weights_move_the_bias():
    texts, labels = texts_of(200, 2, 4)
    labels[:] = np.arange(200) < 20  # unbalanced, and without signs
    hashed = NGrams((1, 1), None, buckets=2**12).encode(texts)
    weights = []
    for class_weight in (None, None, {0: 0.55, 1: 5.0}):
        model = NGramLinear(2**12)
        solve_ngrams(model, hashed, labels, class_weight=class_weight)
        weights.append([np.asarray(weight) for weight in model.get_layer("logits").weights])
    for one, other in zip(*weights[:2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert weights[2][1][0] > weights[0][1][0] + 1  # of a bias near log(1/9) to one near 0
    with pytest.raises(InputError, match="no text to learn"):
        solve_ngrams(NGramLinear(2**12), hashed[:0], labels[:0])


@pytest.mark.parametrize(("outputs", "task"), [(1, CLASSIFICATION), (3, CLASSIFICATION), (3, MULTI_LABEL)])
def test_a_blend_has_the_factors_that_labels_were_drawn_by(outputs, task):
    rng = np.random.default_rng(5)
    wide, deep, noise = (3 * rng.normal(size=(20_000, outputs)).astype(np.float32) for _ in range(3))
    logits = 2**-0.5 * wide + 2**-1.5 * deep
    if task.exclusive and outputs > 1:
        labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    else:
        labels = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float32)
        labels = labels if outputs > 1 else labels[:, 0].astype(np.int32)
    found = choose_blend(wide, deep, labels, task=task)
    assert np.abs(np.log2(found.factors) - [-0.5, -1.5]).max() <= 0.25  # one step of the grid
    assert choose_blend(wide, noise, labels, task=task).factors[1] <= 1 / 32
