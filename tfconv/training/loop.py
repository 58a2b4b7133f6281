"""`fit`: Keras' `fit` as a loop of our own, under every `tf.distribute` strategy, resumable to the bit."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import tensorflow as tf

from tfconv.training import checkpoint, objective, run
from tfconv.training.evaluate import evaluated, plain
from tfconv.training.feed import build, distributed, labels_spec, passes
from tfconv.training.interrupt import interruptible
from tfconv.training.progress import ProgressLines
from tfconv.training.run_logs import RunLogs
from tfconv.training.step import has_batch_hook, make_runner, next_call_steps

__all__ = ["NonFiniteLossError", "fit"]


class NonFiniteLossError(FloatingPointError):
    """The loss, or a weight, became NaN or infinite; the message says at which step and what to try."""


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
        train: batches (inputs, labels) or (inputs, labels, sample weights) of the global batch size. A data set with
            the attribute `at_epoch` (those of `tfconv.data`) is asked for each epoch's order; any other is iterated
            once an epoch.
        validation_data: batches scored after each epoch; logged as `val_...`.
        epochs: epochs in all, those before a resumption included.
        optimizer: a Keras optimizer or its name; under a strategy an equal one is made in its scope. Clipping
            is its argument (`global_clipnorm=1.0`). Default: what the model was compiled with, else Adam.
        loss: default: what the model was compiled with, else the cross-entropy that fits logits and labels.
        metrics: default: likewise, else accuracy.
        class_weight: weight of each class number in the loss.
        callbacks: ordinary Keras callbacks. Batch hooks are called once an execution; a callback that has one makes
            an execution one step, unless `steps_per_execution` says otherwise.
        strategy: default: the strategy in force (`tf.distribute.get_strategy()`).
        steps_per_execution: steps in one call of the graph; `"auto"`: as many as fill 0.1 to 0.4 seconds.
        run_dir: folder for checkpoints, `history.csv`, TensorBoard logs and at the end `model.keras`; a model trained
            in mixed precision is kept in float32 (`in_float32`).
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
        InputError: `run_dir` holds a run and neither `resume` nor `overwrite` is set, or another process has it.
        ValueError: an argument is out of range, or the training data set is empty.
        KeyboardInterrupt: after Ctrl-C, once the step has ended and a checkpoint is written.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be 1 or more, got {epochs}")
    if steps_per_execution != "auto" and steps_per_execution < 1:
        raise ValueError(f"steps_per_execution must be 'auto', or 1 or more, got {steps_per_execution}")
    strategy = strategy or tf.distribute.get_strategy()
    about = run.Description(config, preprocess)
    with contextlib.ExitStack() as stack:
        directory = None
        if run_dir is not None:
            directory = stack.enter_context(run.opened(Path(run_dir), about, resume=resume, overwrite=overwrite))
        stack.enter_context(strategy.scope())
        if not model.built:
            model.build(tf.nest.map_structure(lambda spec: tuple(spec.shape), train.element_spec[0]))
        objective.compile_for(model, labels_spec(train), optimizer, loss, metrics)
        loop = _Loop(model, strategy, train, validation_data, class_weight, steps_per_execution, directory)
        loop.checkpoint_seconds = checkpoint_seconds
        stack.callback(loop.install_callbacks(callbacks, epochs, verbose))
        loop.stop_signal = stack.enter_context(interruptible())
        return loop.train(epochs, resume, about)


class _Loop:
    """One call of `fit`: what it needs from step to step."""

    stop_signal: threading.Event
    checkpoint_seconds: float

    def __init__(
        self,
        model: keras.Model,
        strategy: tf.distribute.Strategy,
        train: tf.data.Dataset,
        validation_data: tf.data.Dataset | None,
        class_weight: dict[int, float] | None,
        steps_per_execution: int | Literal["auto"],
        directory: Path | None,
    ):
        self.model, self.strategy, self.train_data, self.directory = model, strategy, train, directory
        self.fixed_steps = None if steps_per_execution == "auto" else steps_per_execution

        def prepare(dataset: tf.data.Dataset) -> tf.data.Dataset:
            return objective.weighted(dataset, class_weight, model.output_shape[-1]) if class_weight else dataset

        self.prepare = prepare
        steps = int(train.cardinality())
        if steps == 0:
            raise ValueError("the training data set is empty")
        self.steps = steps if steps > 0 else None
        build(model, prepare(train))  # metrics must exist before they are restored
        model.optimizer.build(model.trainable_variables)
        self.train_runner = make_runner(model, strategy, training=True)
        self.validation = None
        if validation_data is not None:
            self.validation = distributed(validation_data, strategy)
            self.test_runner = make_runner(model, strategy, training=False)
        self.read_metrics = tf.function(model.get_metrics_result)

    def install_callbacks(
        self, callbacks: Sequence[keras.callbacks.Callback], epochs: int, verbose: Literal["auto", 0, 1, 2]
    ) -> Callable[[], None]:
        """Set up the callback list; returns what must run at the end, whatever happened."""
        own = [RunLogs(self.directory)] if self.directory else []
        self.progress = progress = None if verbose == 0 else ProgressLines({"auto": None, 1: True, 2: False}[verbose])
        if self.fixed_steps is None and any(has_batch_hook(callback) for callback in callbacks):
            self.fixed_steps = 1
        history = next((c for c in callbacks if isinstance(c, keras.callbacks.History)), None)
        self.history = history or keras.callbacks.History()
        self.kept = [*callbacks, *([] if history else [self.history])]
        self.callbacks = keras.callbacks.CallbackList(
            [*self.kept, *own, *([progress] if progress else [])],
            model=self.model,
            epochs=epochs,
            steps=self.steps,
            verbose=0 if verbose == 0 else 1,
        )
        return progress.close if progress else lambda: None

    def train(self, epochs: int, resume: bool, about: run.Description) -> keras.callbacks.History:
        """All epochs, from the start or from the newest checkpoint."""
        model, position = self.model, checkpoint.Position(0, 0)
        model.stop_training = False
        if self.directory and not resume:
            run.begin(self.directory, about, resume=False)
        self.callbacks.on_train_begin()
        if self.directory and resume:
            position = checkpoint.restore(self.directory / "checkpoints", model, self.kept) or position
            if self.progress:
                print(f"going on at step {position.step + 1} of epoch {position.epoch + 1}", flush=True)
            run.begin(self.directory, about, resume=True)
        self.saved_at = time.monotonic()
        batches = passes(self.train_data, self.strategy, self.prepare, *position)
        logs: dict[str, float] = {}
        for epoch in range(position.epoch, epochs):
            if model.stop_training:
                break
            first = position.step if epoch == position.epoch else 0
            if not first:
                model.reset_metrics()
            self.callbacks.on_epoch_begin(epoch)
            logs = self._epoch(epoch, first, next(batches))
            if self.validation is not None:
                values = evaluated(model, self.test_runner, self.validation, self.callbacks)
                logs |= {f"val_{name}": value for name, value in values.items()}
            self.callbacks.on_epoch_end(epoch, logs)
            self._save(checkpoint.Position(epoch + 1, 0))
            self._stop_if_asked(epoch + 1, 0)
        model.optimizer.finalize_variable_values(model.trainable_variables)
        self.callbacks.on_train_end(logs)
        model.history = self.history
        if self.directory:
            run.save_model(model, self.directory)
        return self.history

    def _epoch(self, epoch: int, done: int, iterator: Iterator[Any]) -> dict[str, float]:
        """The steps of one epoch, several at a time."""
        logs = plain(self.read_metrics()) if done else {}
        wanted, timed = self.fixed_steps or 1, False
        while self.steps is None or done < self.steps:
            count = wanted if self.steps is None else min(wanted, self.steps - done)
            self.callbacks.on_train_batch_begin(done)
            begin = time.monotonic()
            ran, loss = self.train_runner(iterator, tf.constant(count))
            done += int(ran)
            if not done:
                raise ValueError("the training data set is empty")
            objective.check_binary(self.model, float(loss))
            if not tf.math.is_finite(loss):
                raise self._not_finite(epoch, done, float(loss))
            if self.fixed_steps is None and timed:
                wanted = next_call_steps(count, wanted, time.monotonic() - begin)
            timed = True  # the first call of an epoch may trace, and waits for the data to start
            logs = plain(self.read_metrics())
            self.callbacks.on_train_batch_end(done - 1, logs)
            if time.monotonic() - self.saved_at >= self.checkpoint_seconds:
                self._save(checkpoint.Position(epoch, done))
            self._stop_if_asked(epoch, done)
            if self.model.stop_training or int(ran) < count:
                break
        return logs

    def _save(self, position: checkpoint.Position) -> None:
        if self.directory is None:
            return
        try:
            checkpoint.save(self.directory / "checkpoints", position, self.model, self.kept)
        except FloatingPointError as error:
            raise self._not_finite(position.epoch, position.step, float("nan")) from error
        self.saved_at = time.monotonic()

    def _not_finite(self, epoch: int, step: int, loss: float) -> NonFiniteLossError:
        rate = float(tf.convert_to_tensor(self.model.optimizer.learning_rate))
        return NonFiniteLossError(
            f"the loss is {loss} at step {step} of epoch {epoch + 1}, learning rate {rate:g}. Try a learning rate of "
            f"{rate / 10:g}, gradient clipping (optimizer's global_clipnorm=1.0), or look for NaN in the inputs."
        )

    def _stop_if_asked(self, epoch: int, step: int) -> None:
        if not self.stop_signal.is_set():
            return
        if self.directory is None:
            raise KeyboardInterrupt(f"stopped at step {step} of epoch {epoch + 1}; without run_dir nothing is saved")
        self._save(checkpoint.Position(epoch, step))
        raise KeyboardInterrupt(
            f"stopped at step {step} of epoch {epoch + 1}; saved in {self.directory}: go on with resume=True (--resume)"
        )
