"""`fit`: Keras' `fit` as a loop of our own, under every `tf.distribute` strategy, resumable to the bit."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import tensorflow as tf

from tfconv.training.distribution.workers import Workers
from tfconv.training.loop import feed, objective
from tfconv.training.loop.engine import Engine
from tfconv.training.loop.interrupt import interruptible
from tfconv.training.runs import run

__all__ = ["fit"]


def fit(
    model: keras.Model,
    train: tf.data.Dataset,
    *,
    validation_data: tf.data.Dataset | None = None,
    epochs: int = 1,
    optimizer: keras.optimizers.Optimizer | str | None = None,
    loss: Any = None,
    metrics: Sequence[Any] | None = None,
    class_weight: dict[int, float] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    strategy: tf.distribute.Strategy | None = None,
    steps_per_execution: int | Literal["auto"] = "auto",
    run_dir: str | Path | None = None,
    preprocess: Any = None,
    config: dict[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    checkpoint_seconds: float = 60.0,
    verbose: Literal["auto", 0, 1, 2] = "auto",
) -> keras.callbacks.History:
    """Train a model; weights and logged numbers equal those of `model.fit` on the same batches.

    Args:
        model: any Keras model; made under `strategy.scope()` where there are several replicas.
        train: batches (inputs, labels) or (inputs, labels, sample weights) of the global batch size; each replica gets
            an equal part of each, and of a last one that does not divide, the examples left over are not trained on. A
            data set with the attribute `at_epoch` (those of `tfconv.data`) is asked for each epoch's order; any other
            is iterated once an epoch. Every worker must be given the same batches: seed what shuffles them.
        validation_data: batches scored after each epoch; logged as `val_...`.
        epochs: epochs in all, those before a resumption included.
        optimizer: a Keras optimizer or its name; under a strategy an equal one is made in its scope. Clipping
            is its argument (`global_clipnorm=1.0`). Default: what the model was compiled with, else Adam.
        loss: default: what the model was compiled with, else the cross-entropy that fits logits and labels.
        metrics: default: likewise, else accuracy.
        class_weight: weight of each class number in the loss; for batches without sample weights.
        callbacks: ordinary Keras callbacks. Batch hooks are called once an execution; a callback that has one makes
            an execution one step, unless `steps_per_execution` says otherwise. With several workers each calls them,
            with equal logs; Keras' callbacks that write files are the chief's alone.
        strategy: of `training.strategy.choose` or any other; default: the one in force. Dropout's seeds are equal in
            all replicas: in a step each drops the same positions of its part of the batch.
        steps_per_execution: steps in one call of the graph; `"auto"`: as many as fill 0.1 to 0.4 seconds.
        run_dir: folder for checkpoints, `history.csv`, TensorBoard logs and at the end `model.keras`, written by the
            chief alone; a model trained in mixed precision is kept in float32 (`in_float32`).
        preprocess: what made the inputs (`data.preprocess`): saved in the run, so that it can read raw texts.
        config: settings to keep in the run's `config.json`; a resumed run must have been started with the same.
        resume: go on from the run's newest checkpoint. With op determinism (`runtime.set_seed(seed,
            deterministic=True)`) weights and history end bit-equal to those of a run that was never stopped.
        overwrite: delete a run that `run_dir` holds already.
        checkpoint_seconds: time between checkpoints inside an epoch; each epoch ends with one.
        verbose: 0: silent; 1: bar and a line an epoch; 2: a line an epoch; `"auto"`: the bar on a terminal only.

    Returns:
        The history, with one value an epoch for each logged number; also `model.history`.

    Raises:
        NonFiniteLossError: the loss became NaN or infinite. The last checkpoint is from before.
        InputError: `run_dir` holds a run and neither `resume` nor `overwrite` is set, or another process has it; or
            workers were given different arguments.
        ValueError: an argument is out of range; a data set is empty, or has no end; the model belongs to another
            strategy; or a metric gives several numbers.
        Interrupted: a `KeyboardInterrupt`: after Ctrl-C or SIGTERM in any worker, once the step has ended and a
            checkpoint is written.
        WorkerLostError: another worker ended or no longer answers.
    """
    feed.check_numbers(epochs, steps_per_execution, verbose)
    feed.check_data(model, train, validation_data)
    strategy = strategy or tf.distribute.get_strategy()
    workers = Workers(strategy)
    about = run.Description(config, preprocess)
    where = None if run_dir is None else Path(run_dir)
    with contextlib.ExitStack() as stack:
        stack.enter_context(workers.together(where))
        stack.enter_context(strategy.scope())
        given: dict[str, Any] = {"epochs": epochs, "steps_per_execution": steps_per_execution, "resume": resume}
        given |= {"train": _form(train), "validation_data": _form(validation_data), "class_weight": class_weight}
        workers.agree(given)
        if where is not None:
            opened = run.opened(where, about, resume=resume, overwrite=overwrite)
            workers.only_chief(lambda: stack.enter_context(opened))
        if not model.built:
            model.build(tf.nest.map_structure(lambda spec: tuple(spec.shape), train.element_spec[0]))
        feed.check_scope(model, strategy)
        objective.compile_for(model, train, optimizer, loss, metrics)
        engine = Engine(model, workers, train, validation_data, class_weight, steps_per_execution, where)
        engine.checkpoint_seconds = checkpoint_seconds
        stack.callback(engine.install_callbacks(callbacks, epochs, verbose))
        engine.asked = stack.enter_context(interruptible(several=workers.count > 1))
        return engine.train(epochs, resume, about)


def _form(dataset: tf.data.Dataset | None) -> Any:
    """What a data set gives, as far as it says without reading."""
    return None if dataset is None else (dataset.element_spec, int(dataset.cardinality()))
