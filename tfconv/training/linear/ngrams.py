"""Solve the linear n-gram model: weights of n-grams by regularized maximum likelihood, settings by held-out texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tfconv.data.splits import stratified_folds
from tfconv.errors import InputError
from tfconv.tasks import CLASSIFICATION, Task
from tfconv.training.linear.lbfgs import minimize
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
_TEMPERATURES = 2.0 ** np.arange(-2, 3.01, 0.25)


@dataclass(frozen=True)
class NGramSolution:
    """What `solve_ngrams` found.

    Args:
        strength: inverse of the regularization, as scikit-learn's C.
        power: exponent of the naive Bayes log-ratios in the prior.
        temperature: what logits were multiplied by, so that held-out log-likelihood is highest.
        held_out: share of the held-out texts, or with several labels of their labels, that are right.
        examples: how many texts were held out.
    """

    strength: float
    power: float
    temperature: float
    held_out: float
    examples: int


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
        layer: a built `NGramDense`, or a model whose layer "logits" is one.
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
    layer = layer if hasattr(layer, "scale") else layer.get_layer("logits")
    lengths, columns = ids.row_lengths().numpy(), ids.flat_values.numpy()
    matrix = PresenceMatrix(lengths, columns, layer.buckets)
    if not len(matrix):
        raise InputError("there is no text to learn n-grams from")
    targets = _targets(labels, layer.units, task)
    weights = np.ones(len(matrix), np.float32)
    if class_weight is not None:
        weights = np.array([class_weight[int(label)] for label in labels], np.float32)
    problem = _Problem(matrix, targets, weights, task, word_ids or layer.buckets)
    found, strength, power = _choice(problem, labels, seed)
    coefficients = problem.solve(problem.scale, problem.prior(power), strength)
    kernel = coefficients.kernel * found.temperature
    layer.scale.assign(problem.scale)
    layer.kernel.assign(kernel)
    layer.bias.assign(coefficients.bias * found.temperature)
    return found


def _targets(labels: npt.NDArray[Any], units: int, task: Task) -> Floats:
    """Labels as zeros and ones (n, units)."""
    if labels.ndim == 2:
        return labels.astype(np.float32)
    if units == 1:
        return labels.astype(np.float32)[:, None]
    return np.eye(units, dtype=np.float32)[labels]
