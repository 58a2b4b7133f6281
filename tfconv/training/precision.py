"""From a model that was trained in mixed precision to the one that is kept."""

import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfconv.errors import InputError
from tfconv.files import atomic_write

__all__ = ["KeptModelError", "check_answers", "in_float32", "write_answers"]

_EXAMPLES = 32  # whose answers a run keeps
_BYTES = 1 << 22
_FILE = "answers.npz"


class KeptModelError(FloatingPointError):
    """The float32 model that a run keeps does not answer as the model did that was trained in mixed precision."""


def in_float32(model: keras.Model) -> keras.Model:
    """Return the model with its weights under the float32 policy; a model that is there already, itself.

    Under a mixed policy weights are float32 and only the activations between layers are rounded. So nothing is lost,
    and what is saved runs at full precision, and fast, also on machines without 16-bit arithmetic.

    Args:
        model: built; a model class whose constructor has a `dtype` argument, as all of `tfconv.models` have.

    Returns:
        A model of the same class. One whose configuration has no mixed `dtype` is returned as it is.
    """
    try:
        config = model.get_config()
    except NotImplementedError:
        return model
    if config.get("dtype") not in ("mixed_bfloat16", "mixed_float16"):
        return model
    twin = type(model).from_config({**config, "dtype": "float32"})
    if not twin.built:
        twin.build(model.input_shape)
    twin.set_weights(model.get_weights())
    return twin


def check_loss(trained: float, kept: float, policy: str, what: str) -> None:
    """Refuse a float32 model that scores worse than the trained one by more than rounding explains.

    Args:
        trained: loss of the model as it was trained.
        kept: loss of its float32 twin on the same examples.
        policy: under which it was trained.
        what: the examples, for the message.

    Raises:
        KeptModelError: the losses are further apart than 5 % and 0.02, or the second is not finite.
    """
    if not kept <= trained + 0.02 + 0.05 * abs(trained):
        raise KeptModelError(
            f"the float32 model that would be kept has a loss of {kept:.4g} on {what}, the model as it was trained "
            f"({policy}) {trained:.4g}: rounding does not explain that; train in float32 (--precision float32)"
        )


def write_answers(directory: Path, model: keras.Model, inputs: Any) -> None:
    """Keep some inputs and what the model answers, for `check_answers`; numbers only, of one input and one output.

    Args:
        directory: the run directory.
        model: as it was trained.
        inputs: a batch, of which up to 32 examples are taken, up to 4 MB.
    """
    if not isinstance(inputs, tf.Tensor) or not (inputs.dtype.is_floating or inputs.dtype.is_integer):
        return
    per_example = inputs.dtype.size * int(np.prod(inputs.shape[1:]))
    some = inputs[: max(2, min(_EXAMPLES, _BYTES // max(per_example, 1)))].numpy()
    answers = model(some, training=False)
    if not isinstance(answers, tf.Tensor):
        return
    answers = tf.cast(answers, tf.float32).numpy()
    with atomic_write(directory / _FILE) as file:
        np.savez(file, inputs=some, answers=answers, policy=np.array(model.dtype_policy.name))


def check_answers(directory: Path, model: keras.Model) -> None:
    """Refuse a model that answers otherwise than the one that the run was left with; a run may have no answers kept.

    Args:
        directory: the run directory.
        model: the one that was read from it.

    Raises:
        InputError: the answers differ by more than rounding, or the file of answers cannot be read.
    """
    path = directory / _FILE
    if not path.is_file():
        return
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            inputs, expected, policy = archive["inputs"], archive["answers"], str(archive["policy"])
        answers = model(inputs, training=False).numpy()
        if answers.shape != expected.shape:
            raise ValueError(f"{answers.shape} answers in place of {expected.shape}")
    except Exception as error:  # a damaged file fails in whatever part of zip, NumPy or the model it reaches
        raise InputError(f"{path} does not go with the model beside it ({error}): copy the run anew") from error
    # Of how far answers lie from their mean; 16-bit activations have 2 or 3 digits, and layers add their errors up.
    share = 0.25 if policy.startswith("mixed") else 0.01
    spread, off = float(np.std(expected)), float(np.sqrt(np.mean(np.square(answers - expected, dtype="float64"))))
    if not off <= share * spread + 0.01 * (1 + float(np.abs(expected).mean())):
        raise InputError(
            f"{directory / 'model.keras'} does not answer as it did when it was trained: on {len(expected)} examples "
            f"its outputs are off by {off:.3g} where they spread by {spread:.3g}; copy the run anew, or train again "
            "with --precision float32"
        )
