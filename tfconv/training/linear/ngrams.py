"""Solve the linear n-gram model: weights of n-grams by regularized maximum likelihood, settings by held-out texts."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tfconv.data.splits import stratified_folds
from tfconv.errors import InputError
from tfconv.layers.ngrams import ngram_layer
from tfconv.tasks import CLASSIFICATION, Task
from tfconv.training.linear.lbfgs import minimize
from tfconv.training.linear.loss import cross_entropy, targets_of
from tfconv.training.linear.presence import PresenceMatrix

__all__ = ["NGramSolution", "solve_ngrams"]

Floats = npt.NDArray[np.float32]

# Weight of character n-grams beside that of word n-grams, a text's norm of each being 1 on average. On MR, SST-2, TREC,
# SMS and IMDB 0.7 was as good as 0.5 and 1, or better by up to half a point.
_CHARACTERS = 0.7
_STRENGTHS, _POWERS = (5.0, 20.0, 80.0), (0.5, 0.0)
_USUAL = (20.0, 0.5)
_FOLDED = 2000  # below so many texts, settings are chosen by cross-validation
_TRIED = 10_000  # texts that settings are chosen on, at most
_FOLDS = 5
_MOST_WORK = 2e7  # n-grams times outputs of one evaluation up to which several settings are tried
_ITERATIONS, _TOLERANCE = 100, 3e-3
_TEMPERATURES = 2.0 ** np.arange(-2, 3.01, 0.25)


@dataclass(frozen=True, eq=False)
class NGramSolution:
    """What `solve_ngrams` found.

    Args:
        strength: inverse of the regularization, as scikit-learn's C.
        power: exponent of the naive Bayes log-ratios in the prior.
        temperature: what logits were multiplied by, so that held-out log-likelihood is highest.
        held_out: share of the held-out texts, or with several labels of their labels, that are right.
        examples: how many texts were held out.
        tried: numbers of the texts that settings were chosen on, integers (m,).
        folds: numbers of the texts that were held out, one array for each part; the weights that answer a part were
            found on the others of `tried`.
        logits: what was said of the texts of `folds`, in that order, (examples, outputs).
    """

    strength: float
    power: float
    temperature: float
    held_out: float
    examples: int
    tried: npt.NDArray[np.int64]
    folds: tuple[npt.NDArray[np.int64], ...]
    logits: Floats

    def __str__(self) -> str:
        prior = "log-ratios as prior" if self.power else "no prior"
        right = (
            f"right on {100 * self.held_out:.1f} % of {self.examples:,} held-out texts" if self.examples else "usual"
        )
        return f"solved with C = {self.strength:g} and {prior}: {right}"


def solve_ngrams(
    layer: Any,
    ids: Any,
    labels: npt.NDArray[Any],
    *,
    task: Task = CLASSIFICATION,
    word_ids: int | None = None,
    class_weight: dict[int, float] | None = None,
    seed: int = 0,
) -> NGramSolution:
    """Set the weights of an `NGramDense` layer to the best for these texts, without steps.

    `scale` becomes the inverse document frequency log((1 + n) / (1 + df)) + 1, divided so that word n-grams and
    character n-grams contribute alike. The kernel minimizes, over all n texts, the mean cross-entropy plus

    1 / (2 C n) * sum over n-grams g and outputs k of (kernel[g, k] / prior[g, k])^2

    with prior[g, k] = |r[g, k]|^power, where r is the naive Bayes log-ratio: an n-gram that speaks for or against a
    class may have a large weight at little cost. C and power are those of the highest likelihood on held-out texts: by
    five folds below 2,000 texts, else on a fifth of 10,000 at most. Equal inputs give equal weights.

    Args:
        layer: a built `NGramDense`, or a model that has one.
        ids: ragged ids (n, None), distinct in each row, as `NGrams` gives them.
        labels: class numbers (n,), or zeros and ones (n, classes).
        task: one class a text, or any number of labels.
        word_ids: lower ids are of word n-grams, the others of character n-grams; default: all are of words.
        class_weight: weight of each class in the loss.
        seed: of the held-out part.

    Returns:
        The settings chosen, and how good they are on held-out texts.

    Raises:
        InputError: a class that does not occur, or no text.

    Reference: Wang and Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification", 2012, for the
        ratios; here they scale a prior and not the inputs.
    """
    layer = ngram_layer(layer)
    matrix = PresenceMatrix(ids.row_lengths().numpy(), ids.flat_values.numpy(), layer.buckets)
    if not len(matrix):
        raise InputError("there is no text to learn n-grams from")
    weights = np.ones(len(matrix), np.float32)
    if class_weight is not None:
        weights = np.array([class_weight[int(label)] for label in labels], np.float32)
    targets = targets_of(labels, layer.units)
    problem = _Problem(matrix, targets, weights, task, word_ids or layer.buckets, layer.normalize)
    strength, power, found = _chosen(problem, labels, seed)
    solved = problem.solved(strength, power)
    layer.scale.assign(problem.scale)
    layer.kernel.assign(solved.kernel * found.temperature)
    layer.bias.assign(solved.bias * found.temperature)
    return found


@dataclass(frozen=True)
class _Weights:
    scale: Floats
    kernel: Floats
    bias: Floats


class _Problem:
    """Texts and what they should be answered with; what is learned from them alone is made once."""

    def __init__(
        self, matrix: PresenceMatrix, targets: Floats, weights: Floats, task: Task, word_ids: int, normalize: bool
    ) -> None:
        self.matrix, self.targets, self.weights = matrix, targets, weights / weights.sum()
        self.task, self.word_ids, self.normalize = task, word_ids, normalize

    def take(self, rows: npt.NDArray[np.int64]) -> "_Problem":
        """Some of the texts."""
        return _Problem(
            self.matrix.take(rows), self.targets[rows], self.weights[rows], self.task, self.word_ids, self.normalize
        )

    @cached_property
    def scale(self) -> Floats:
        """Inverse document frequencies, those of words and those of characters of a mean square norm each."""
        counts = self.matrix.counts.astype(np.float64)
        scale = np.log((1 + len(self.matrix)) / (1 + counts)) + 1
        for part, share in ((slice(0, self.word_ids), 1.0), (slice(self.word_ids, None), _CHARACTERS)):
            squares = float((counts[part] * scale[part] ** 2).sum()) / len(self.matrix)
            scale[part] *= share / np.sqrt(squares) if squares else 1.0
        return scale.astype(np.float32)

    def prior(self, power: float) -> Floats:
        """Scale of each weight: |naive Bayes log-ratio|^power, of a mean square of 1 over the n-grams of all texts."""
        counts = self.matrix.counts.astype(np.float64)[:, None]
        present = self.matrix.transposed_times(self.targets)
        ratios = np.log((present + 1) / (present + 1).sum(axis=0))
        ratios -= np.log((counts - present + 1) / (counts - present + 1).sum(axis=0))
        prior = np.abs(ratios) ** power
        mass = counts * self.scale[:, None].astype(np.float64) ** 2
        return (prior / np.sqrt((mass * prior**2).sum(axis=0) / mass.sum())).astype(np.float32)

    def factors(self, scale: Floats) -> Floats:
        """What each text's sum is multiplied by: (n, 1)."""
        if not self.normalize:
            return np.ones((len(self.matrix), 1), np.float32)
        squares = self.matrix.times(scale[:, None] ** 2)
        return np.where(squares > 0, 1 / np.sqrt(np.maximum(squares, 1e-30)), 0).astype(np.float32)

    def solved(self, strength: float, power: float) -> _Weights:
        """The weights of least loss.

        The search is in coordinates in which the Hessian at zero has a diagonal of ones: frequent n-grams curve the
        loss a thousand times as much as rare ones, and without this it takes two to four times as many steps.
        """
        matrix, outputs, n = self.matrix, self.targets.shape[1], len(self.matrix)
        prior, factors = self.prior(power) if power else np.ones((1, outputs), np.float32), self.factors(self.scale)
        inputs = self.scale[:, None] * prior  # of a weight that all are punished alike
        share = self.weights[:, None]
        rates = (share * self.targets).sum(axis=0)
        variance = np.maximum(rates * (1 - rates), 1e-4).astype(np.float32)  # of the labels
        curvature = matrix.transposed_times(factors**2 * share) * inputs**2 * variance + 1 / (strength * n)
        unit, bias_unit = (1 / np.sqrt(curvature)).astype(np.float32), 1 / np.sqrt(variance)
        point = np.zeros(matrix.width * outputs + outputs, np.float32)

        def loss(point: Floats) -> tuple[float, Floats]:
            weights, bias = point[:-outputs].reshape(-1, outputs) * unit, point[-outputs:] * bias_unit
            logits = factors * matrix.times(inputs * weights) + bias
            value, slope = cross_entropy(logits, self.targets, self.weights, self.task)
            gradient = inputs * matrix.transposed_times(factors * slope)
            gradient += weights / (strength * n)
            value += float(np.vdot(weights, weights)) / (2 * strength * n)
            return value, np.concatenate([(gradient * unit).ravel(), slope.sum(axis=0) * bias_unit])

        found = minimize(loss, point, most=_ITERATIONS, tolerance=_TOLERANCE)
        kernel = prior * unit * found[:-outputs].reshape(-1, outputs)
        return _Weights(self.scale, kernel, found[-outputs:] * bias_unit)

    def logits(self, weights: _Weights) -> Floats:
        """What weights that other texts gave say about these."""
        factors = self.factors(weights.scale)
        return factors * self.matrix.times(weights.scale[:, None] * weights.kernel) + weights.bias


def _chosen(problem: _Problem, labels: npt.NDArray[Any], seed: int) -> tuple[float, float, NGramSolution]:
    """Strength and power of the highest held-out likelihood, once logits are brought to their best temperature."""
    n, outputs = len(problem.matrix), problem.targets.shape[1]
    tried, rows_tried = problem, np.arange(n)
    if n > _TRIED:
        rows_tried = stratified_folds(labels, -(-n // _TRIED), seed)[0]
        tried, labels = problem.take(rows_tried), labels[rows_tried]
    usual = (_USUAL[0], _USUAL[1] if outputs == 1 else 0.0)
    if len(tried.matrix) < 2 * _FOLDS:
        nothing = np.zeros((0, outputs), np.float32)
        return *usual, NGramSolution(*usual, 1.0, float("nan"), 0, rows_tried, (), nothing)
    folds = stratified_folds(labels, _FOLDS, seed)
    held_out = folds if n < _FOLDED else folds[:1]
    wide = len(tried.matrix.columns) * outputs > _MOST_WORK

    def held_out_logits(rows: npt.NDArray[np.int64], power: float) -> dict[tuple[float, float], Floats]:
        rest = np.setdiff1d(np.arange(len(tried.matrix)), rows)
        train, test = tried.take(rest), tried.take(rows)
        strengths = (usual[0],) if wide else _STRENGTHS
        return {(strength, power): test.logits(train.solved(strength, power)) for strength in strengths}

    tasks = [(rows, power) for rows in held_out for power in ((usual[1],) if wide else _POWERS)]
    scores: dict[tuple[float, float], list[Floats]] = {}
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # NumPy and TensorFlow let others run meanwhile
        for logits_of in threads.map(lambda task: held_out_logits(*task), tasks):
            for settings, logits in logits_of.items():
                scores.setdefault(settings, []).append(logits)
    place = np.concatenate(held_out)
    targets, weights = tried.targets[place], tried.weights[place] / tried.weights[place].sum()

    def loss(logits: Floats, temperature: float) -> float:
        return cross_entropy(logits * np.float32(temperature), targets, weights, problem.task)[0]

    found = {
        settings: min((loss(np.concatenate(parts), t), float(t)) for t in _TEMPERATURES)
        for settings, parts in scores.items()
    }
    best = min(found, key=lambda settings: found[settings])
    logits = np.concatenate(scores[best])
    if problem.task.exclusive and outputs > 1:
        right = logits.argmax(axis=1) == targets.argmax(axis=1)
    else:
        right = (logits > 0) == (targets > 0.5)
    temperature = found[best][1]
    parts = tuple(rows_tried[rows] for rows in held_out)
    return *best, NGramSolution(
        *best, temperature, float(right.mean()), len(place), rows_tried, parts, logits * np.float32(temperature)
    )
