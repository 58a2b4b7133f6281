"""`fit`: Keras' `fit` as a loop of our own, under every `tf.distribute` strategy, resumable to the bit."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import tensorflow as tf

from tfconv.training.distribution.workers import Workers
from tfconv.training.loop import feed, objective
from tfconv.training.loop.engine import Data, Engine
from tfconv.training.loop.interrupt import Asked, interruptible
from tfconv.training.loop.plan import Plan
from tfconv.training.loop.progress import ProgressLines
from tfconv.training.runs import run

__all__ = ["fit"]


def fit(
    model: keras.Model,
    train: tf.data.Dataset,
    *,
    validation_data: tf.data.Dataset | None = None,
    epochs: int = 1,
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_freq: int | Sequence[int] = 1,
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

    Without a `loss` the targets decide, see the argument; a model of one or several inputs (a tuple, list or
    dictionary) is trained alike.

    Args:
        model: any Keras model, made under `strategy.scope()` where there are several replicas.
        train: batches (inputs, targets) or (inputs, targets, sample weights) of the global batch size. Each replica
            gets an equal part of each batch; the last examples of one that does not divide are not trained on. The
            training data of `tfconv.data`, also after `.map(...)` and the like, gives the order of each epoch by its
            number; any other data set is iterated once an epoch. Every worker must be given the same batches: shuffle
            with a seed.
        validation_data: batches that are scored after an epoch; logged as `val_...`. Default: none.
        epochs: number of the last epoch, as in Keras: those before `initial_epoch`, or before a resumption, count.
            0: the model is not trained; it is written into `run_dir` as it is.
        initial_epoch: number of epochs that were trained before, by an earlier call. Training data of `tfconv.data`
            goes on with the order of that epoch.
        steps_per_epoch: batches in an epoch; needed where `train` has no end (`.repeat()`). The data goes on from one
            epoch to the next; where it ends within an epoch, that epoch is shorter, and a warning says so. Default:
            one iteration of `train`.
        validation_steps: batches of `validation_data` that are scored, always the first ones. Default: all.
        validation_freq: score after every so many epochs, or after the epochs in this list, counted from 1.
        optimizer: a Keras optimizer or its name; under a strategy an equal one is made in its scope. Clipping
            is its argument (`global_clipnorm=1.0`). Default: what the model was compiled with, else Adam.
        loss: Default: what the model was compiled with, else by the outputs and the targets:
            class numbers for one output, or floats that are all 0 or 1 in the first 16 batches: binary cross-entropy;
            other floats, one an output: mean squared error;
            class numbers for several outputs: sparse categorical cross-entropy, also step by step, outputs (n, steps,
            classes) with targets (n, steps);
            rows (n, classes): categorical cross-entropy where each adds up to 1, binary cross-entropy of each class
            where all are 0 or 1.
        metrics: Default: likewise, else accuracy, or the mean absolute error of a regression (`mae`).
        class_weight: weight of each class number in the loss; for batches without sample weights.
        callbacks: ordinary Keras callbacks. Batch hooks are called once an execution; a callback that has one makes
            an execution one step, unless `steps_per_execution` says otherwise. With several workers each calls them,
            with equal logs; Keras' callbacks that write files are called on the chief alone.
        strategy: of `training.strategy.choose` or any other. Default: the one in force. Dropout's seeds are equal in
            all replicas: in a step each drops the same positions of its part of the batch.
        steps_per_execution: steps in one call of the graph; `"auto"`: as many as fill 0.1 to 0.4 seconds.
        run_dir: folder for checkpoints, `history.csv`, TensorBoard logs and at the end `model.keras`, written by the
            chief alone; a model trained in mixed precision is saved in float32 (`in_float32`).
        preprocess: what made the inputs (`data.preprocess`): saved in the run, so that it can read raw texts.
        config: settings to save in the run's `config.json`; a resumed run must have been started with the same.
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
        ValueError: an argument is out of range; a data set is empty, or has no end and no number of steps; no loss
            fits outputs and targets by itself; the model belongs to another strategy; or a metric gives several
            numbers.
        Interrupted: a `KeyboardInterrupt`: after Ctrl-C or SIGTERM in any worker, once the step has ended and a
            checkpoint is written.
        WorkerLostError: another worker ended or no longer answers.
    """
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"verbose must be 'auto', 0, 1 or 2, got {verbose!r}")
    plan = Plan(epochs, initial_epoch, steps_per_epoch, validation_steps, validation_freq, steps_per_execution)
    for data in (train, validation_data):
        if data is not None:
            feed.check_batches(model, data)
    plan.check_ends(train, validation_data)
    strategy = strategy or tf.distribute.get_strategy()
    workers = Workers(strategy)
    where = None if run_dir is None else Path(run_dir)
    settings = None
    if where is not None:
        settings = run.RunSettings(where, config, preprocess, resume, overwrite, checkpoint_seconds)
    with contextlib.ExitStack() as stack:
        stack.enter_context(workers.together(where))
        stack.enter_context(strategy.scope())
        given: dict[str, Any] = {"epochs": epochs, "steps_per_execution": steps_per_execution, "resume": resume}
        given |= plan.must_match()
        given |= {"train": _form(train), "validation_data": _form(validation_data), "class_weight": class_weight}
        workers.agree(given)
        if settings is not None:
            opened = run.opened(settings)
            workers.only_chief(lambda: stack.enter_context(opened))
        feed.build_model(model, train)
        feed.check_scope(model, strategy)
        objective.compile_for(model, train, optimizer, loss, metrics)
        data = Data(objective.weighted(model, class_weight, train), validation_data)
        progress = None
        if verbose != 0 and workers.chief:
            progress = ProgressLines({"auto": None, 1: True, 2: False}[verbose])
            stack.callback(progress.close)
        asked = Asked()
        engine = Engine(model, workers, data, plan, settings, callbacks, progress, asked)
        stack.enter_context(interruptible(asked, several=workers.count > 1))
        return engine.train()


def _form(dataset: tf.data.Dataset | None) -> Any:
    """What a data set gives, as far as it says without reading."""
    return None if dataset is None else (dataset.element_spec, int(dataset.cardinality()))
