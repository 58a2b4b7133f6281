"""The one-batch check: a model that cannot overfit a few examples will not learn from many."""

import contextlib
import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfconv.training.loop import objective
from tfconv.training.loop.feed import build_model
from tfconv.training.loop.model_state import restored

__all__ = ["OverfitCheck", "overfit_one_batch"]

_NAMES_SHOWN = 5
_RATES = (0.001, 0.01)  # deep networks die of the second, linear ones take long with the first


@dataclass(frozen=True)
class OverfitCheck:
    """Result of `overfit_one_batch`; `findings()` gives it as text.

    Args:
        passed: the loss came below the target, and every example of the batch is classified correctly.
        examples: number of examples in the batch.
        steps: steps taken; the check stops when it has passed.
        learning_rate: of Adam in these steps.
        start: loss before the first step.
        expected: loss of a model that predicts all classes with equal probability: log(classes), log 2 for binary
            labels; `None` for a regression or a loss of the caller's.
        loss: loss at the end.
        accuracy: accuracy on the batch at the end; `None` for a regression or a loss of the caller's.
        no_gradient: paths of trainable weights whose gradient was missing or all 0 in every step.
        same_outputs: whether at the end all examples get the same output, though their inputs differ.
        switched_off: names of the layers that draw at random in training, which were off.
    """

    passed: bool
    examples: int
    steps: int
    learning_rate: float
    start: float
    expected: float | None
    loss: float
    accuracy: float | None
    no_gradient: tuple[str, ...]
    same_outputs: bool
    switched_off: tuple[str, ...]

    def findings(self) -> list[tuple[bool, str]]:
        """Return what was found as (whether it is as it should be, a line of text); the last is the check's result."""
        found = []
        if self.expected is not None and math.isfinite(self.start):
            line = f"loss at the start {self.start:.3g}, expected of an untrained model about {self.expected:.3g}"
            # Logits of standard deviation s add about s^2 / 2; many sound initialisations have one around 1.
            near = self.start <= 2 * self.expected + 1
            found.append((near, line if near else f"{line}: check the initialisation or the labels"))
        if self.no_gradient:
            names = ", ".join(self.no_gradient[:_NAMES_SHOWN])
            more = f" and {len(self.no_gradient) - _NAMES_SHOWN} more" if len(self.no_gradient) > _NAMES_SHOWN else ""
            found.append((False, f"no gradient reaches {names}{more}: apart from the loss, or dead units"))
        else:
            found.append((True, "a gradient reaches every trainable weight"))
        if self.same_outputs:
            found.append((False, "all examples get the same output: what they differ in does not reach it"))
        accuracy = "" if self.accuracy is None else f", accuracy {self.accuracy:.3g}"
        after = f"after {self.steps} steps on {self.examples} examples: loss {self.loss:.3g}{accuracy}"
        if not self.passed:
            after += "; a model that cannot overfit one batch does not learn"
        return [*found, (self.passed, after)]


def overfit_one_batch(
    model: keras.Model,
    batch: tuple[Any, Any],
    *,
    steps: int = 300,
    learning_rate: float | None = None,
    target: float = 0.05,
    loss: Any = None,
) -> OverfitCheck:
    """Train on one batch until its loss is near 0, then restore the model.

    Layers that draw at random in training (dropout, noise, augmentation in the model) are off and batch normalisation
    uses the batch's own statistics; weight penalties and label smoothing are left out, so that 0 can be reached. The
    steps are taken by an Adam of their own: the model need not be compiled, and what it is compiled with stays.

    Args:
        model: any Keras model of one output, best freshly initialised; built here where it is not.
        batch: inputs and labels of 16 to 32 examples, as its training gives them.
        steps: most steps with each learning rate.
        learning_rate: of Adam. Default: 0.001, and where the check does not pass, 0.01 from the same start.
        target: the loss that counts as near 0.
        loss: Default: as in `fit`.

    Returns:
        What was found. The weights, and all other variables of the model, end bit-equal to what they were.

    Raises:
        ValueError: `steps` or `target` is not positive, or no loss fits outputs and labels by itself.

    Reference: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 11.5 ("fit a tiny dataset").
    """
    if steps < 1 or not target > 0:
        raise ValueError(f"steps must be 1 or more and target above 0, got {steps} and {target}")
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        kind = type(batch).__name__
        raise ValueError(f"batch must be (inputs, labels), as next(iter(data)) of a batched data set; got {kind}")
    inputs, labels = tf.nest.map_structure(tf.convert_to_tensor, tuple(batch))
    if any(part.shape.rank == 0 for part in tf.nest.flatten(labels)):
        raise ValueError("batch is a single example: give one of a data set with .batch(32)")
    data = tf.data.Dataset.from_tensors((inputs, labels))
    build_model(model, data)
    expected, metric = None, None
    if loss is None:
        loss, metric = objective.default_loss(model, data)
        if isinstance(loss, keras.losses.MeanSquaredError):
            metric = None
        else:
            many = not isinstance(loss, keras.losses.BinaryCrossentropy)
            expected = math.log(model.output_shape[-1] if many else 2)
    with _without_randomness(model) as switched_off:
        for rate in _RATES if learning_rate is None else (learning_rate,):
            with restored(model):
                step, now = _functions(model, inputs, labels, keras.losses.get(loss), metric, rate)
                start, done, greatest = _train(step, steps, target)
                value, right, outputs = (part.numpy() for part in now())
            if passed := bool(value <= target and right == 1):
                break
    differ = any(np.ptp(np.asarray(part), axis=0).any() for part in tf.nest.flatten(inputs))
    return OverfitCheck(
        passed=passed,
        examples=len(tf.nest.flatten(inputs)[0]),
        steps=done,
        learning_rate=rate,
        start=start,
        expected=expected,
        loss=float(value),
        accuracy=None if metric is None else float(right),
        no_gradient=tuple(v.path for v, size in zip(model.trainable_variables, greatest, strict=True) if size == 0),
        same_outputs=bool(differ and not np.ptp(outputs, axis=0).any()),
        switched_off=tuple(switched_off),
    )


def _train(step: Any, steps: int, target: float) -> tuple[float, int, np.ndarray]:
    """Return the loss at the start, the number of steps taken, and the greatest gradient of each weight in them."""
    start, greatest = math.nan, np.zeros(0)
    for done in range(1, steps + 1):
        value, right, gradients = (part.numpy() for part in step())
        start, greatest = (float(value), gradients) if done == 1 else (start, np.fmax(greatest, gradients))
        if not np.isfinite(value) or (value <= target / 2 and right == 1):
            break  # half: the step just taken can have raised it
    return start, done, greatest


def _functions(model: keras.Model, inputs: Any, labels: Any, loss: Any, metric: Any, learning_rate: float) -> Any:
    """One step -> (loss and accuracy before it, greatest gradient of each weight); now -> (loss, accuracy, outputs)."""
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(model.trainable_variables)

    def scored() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        outputs = model(inputs, training=True)
        right = tf.constant(1.0)
        if metric is not None:
            metric.reset_state()
            metric.update_state(labels, outputs)
            right = tf.convert_to_tensor(metric.result())
        return tf.reduce_mean(tf.cast(loss(labels, outputs), tf.float32)), right, outputs

    @tf.function(autograph=False)
    def step() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            value, right, _ = scored()
        weights = [variable.value for variable in model.trainable_variables]
        gradients = tape.gradient(value, weights)
        sizes = [tf.constant(0.0) if g is None else _greatest(g) for g in gradients]
        known = [(g, v) for g, v in zip(gradients, model.trainable_variables, strict=True) if g is not None]
        if known:
            optimizer.apply(*zip(*known, strict=True))
        return value, right, tf.stack(sizes) if sizes else tf.zeros([0])

    return step, tf.function(scored, autograph=False)


def _greatest(gradient: Any) -> tf.Tensor:
    values = gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
    return tf.cast(tf.reduce_max(tf.abs(values)), tf.float32)


@contextlib.contextmanager
def _without_randomness(model: keras.Model) -> Iterator[list[str]]:
    """Call the layers that draw at random as outside training; yields their names."""
    drawing = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if layer._seed_generators and "training" in inspect.signature(layer.call).parameters
    ]
    for layer in drawing:
        vars(layer)["call"] = _as_outside_training(layer.call)
    try:
        yield [layer.name for layer in drawing]
    finally:
        for layer in drawing:
            del vars(layer)["call"]


def _as_outside_training(call: Any) -> Any:
    def without(*inputs: Any, training: bool | None = None, **more: Any) -> Any:
        return call(*inputs, training=False, **more)

    return without
