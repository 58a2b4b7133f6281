"""Gradual unfreezing: fine-tune the head first, then more and more layers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfconv.training.loop.fit import fit
from tfconv.training.transfer.layer_groups import Groups, freeze_batch_norm, freeze_to

__all__ = ["gradual_unfreeze"]


def gradual_unfreeze(
    model: keras.Model,
    train: tf.data.Dataset,
    stages: Sequence[tuple[int, int]],
    make_optimizer: Callable[[int], keras.optimizers.Optimizer],
    *,
    groups: Groups | None = None,
    freeze_norm: bool = False,
    run_dir: str | Path | None = None,
    **settings: Any,
) -> list[keras.callbacks.History]:
    """Fine-tune in stages, each with fewer frozen layers.

    Each stage is one call of `fit`, with a graph and an optimizer of its own: layers cannot be frozen or set free
    inside one. So frozen layers cost no gradient, and their batch normalisation stays as it is.

    Args:
        model: built.
        train: batches, as for `fit`.
        stages: (n, epochs), n as in `freeze_to`: [(-1, 1), (-2, 1), (0, 4)] trains the head for an epoch, two groups
            for an epoch, and all for four.
        make_optimizer: from the stage's number, from 0, to its optimizer, not built yet.
        groups: from `layer_groups`; default `layer_groups(model)`.
        freeze_norm: whether batch normalisation is frozen everywhere (`freeze_batch_norm`).
        run_dir: run directory of the last stage; those of the earlier stages are in its folder `stages`. With
            `resume=True`, finished stages are read back and the stopped one is resumed.
        **settings: of `fit`, for every stage: validation_data, loss, metrics, callbacks, resume, ...

    Returns:
        The history of each stage.

    Raises:
        ValueError: there is no stage, or `freeze_to` or `fit` refuses one.
    """
    if not stages:
        raise ValueError("stages must hold at least one (n, epochs), got none")
    histories = []
    for number, (n, epochs) in enumerate(stages):
        freeze_to(model, n, groups)
        if freeze_norm:
            freeze_batch_norm(model)
        directory = None if run_dir is None else Path(run_dir)
        if directory is not None and number < len(stages) - 1:
            directory = directory / "stages" / str(number + 1)
        optimizer = make_optimizer(number)
        histories.append(fit(model, train, epochs=epochs, optimizer=optimizer, run_dir=directory, **settings))
    return histories
