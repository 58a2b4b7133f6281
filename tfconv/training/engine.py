"""One call of `fit`, from step to step: the same in one process and in many, which decide everything together."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from signal import SIGTERM
from typing import Any, Literal

import keras
import tensorflow as tf

from tfconv.training import checkpoint, objective, run
from tfconv.training.evaluate import evaluated, plain
from tfconv.training.feed import build, passes, prepared
from tfconv.training.interrupt import Asked, Interrupted
from tfconv.training.progress import ProgressLines
from tfconv.training.reduction import gathers_rows
from tfconv.training.run_logs import RunLogs
from tfconv.training.step import has_batch_hook, make_runner, next_call_steps
from tfconv.training.workers import Workers

__all__ = ["NonFiniteLossError"]


class NonFiniteLossError(FloatingPointError):
    """The loss, or a weight, became NaN or infinite; the message says at which step and what to try."""


class Engine:
    """What one call of `fit` needs from step to step."""

    asked: Asked
    checkpoint_seconds: float

    def __init__(
        self,
        model: keras.Model,
        workers: Workers,
        train: tf.data.Dataset,
        validation_data: tf.data.Dataset | None,
        class_weight: dict[int, float] | None,
        steps_per_execution: int | Literal["auto"],
        directory: Path | None,
    ):
        self.model, self.workers, self.train_data, self.directory = model, workers, train, directory
        self.strategy = strategy = workers.strategy
        self.fixed_steps = None if steps_per_execution == "auto" else steps_per_execution

        def prepare(dataset: tf.data.Dataset) -> tf.data.Dataset:
            return objective.weighted(dataset, class_weight, model.output_shape[-1]) if class_weight else dataset

        self.prepare = prepare
        steps = int(train.cardinality())
        if steps == 0:
            raise ValueError("the training data set is empty")
        self.steps = steps if steps > 0 else None
        build(model, prepare(train))  # metrics must exist before they are restored
        if not model.optimizer.built:  # loss scaling would begin anew
            model.optimizer.build(model.trainable_variables)
        self.train_runner = make_runner(model, strategy, training=True)
        self.validation = None
        if validation_data is not None:
            self.validation = prepared(validation_data, training=False)
            self.test_runner = make_runner(model, strategy, training=False)
        self.untraced = True
        self.read_metrics = tf.function(model.get_metrics_result)

    def install_callbacks(
        self, callbacks: Sequence[keras.callbacks.Callback], epochs: int, verbose: Literal["auto", 0, 1, 2]
    ) -> Callable[[], None]:
        """Set up the callback list; returns what must run at the end, whatever happened."""
        own = [RunLogs(self.directory)] if self.directory and self.workers.chief else []
        silent = verbose == 0 or not self.workers.chief
        self.progress = progress = None if silent else ProgressLines({"auto": None, 1: True, 2: False}[verbose])
        if self.fixed_steps is None and any(has_batch_hook(callback) for callback in callbacks):
            self.fixed_steps = 1
        history = next((c for c in callbacks if isinstance(c, keras.callbacks.History)), None)
        self.history = history or keras.callbacks.History()
        self.kept = [*callbacks, *([] if history else [self.history])]
        called = self.workers.callbacks(self.kept)
        self.callbacks = keras.callbacks.CallbackList(
            [*called, *own, *([progress] if progress else [])],
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
        if self.directory and not resume and self.workers.chief:
            run.begin(self.directory, about, resume=False)
        self.callbacks.on_train_begin()
        if self.directory and resume:
            position = self._restored(self.directory)
            if self.workers.chief:
                run.begin(self.directory, about, resume=True)
        self.saved_at = time.monotonic()
        batches = passes(self.train_data, self.strategy.num_replicas_in_sync, self.prepare, *position)
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
            self._stop_if(self.workers.total([self.asked.signal])[0], epoch + 1, 0)
        model.optimizer.finalize_variable_values(model.trainable_variables)
        self.callbacks.on_train_end(logs)
        model.history = self.history
        if self.directory:
            run.save_model(model, self.workers.folder(self.directory))
        return self.history

    def _restored(self, directory: Path) -> checkpoint.Position:
        """The chief reads the newest checkpoint, and all go on from it: no folder need be shared."""
        found = self.workers.only_chief(lambda: checkpoint.newest(directory / "checkpoints")) or b""
        content = self.workers.from_chief(found)
        if not content:
            return checkpoint.Position(0, 0)
        position = checkpoint.restore(content, directory / "checkpoints", self.model, self.kept)
        if self.progress:
            print(f"going on at step {position.step + 1} of epoch {position.epoch + 1}", flush=True)
        return position

    def _epoch(self, epoch: int, done: int, iterator: Iterator[Any]) -> dict[str, float]:
        """The steps of one epoch, several at a time."""
        logs = plain(self.read_metrics()) if done else {}
        wanted, timed = self.fixed_steps or 1, False
        while self.steps is None or done < self.steps:
            count = wanted if self.steps is None else min(wanted, self.steps - done)
            if self.untraced and self.strategy.num_replicas_in_sync > 1:
                count = 1  # whether rows are gathered shows when the first step is traced
            self.callbacks.on_train_batch_begin(done)
            begin = time.monotonic()
            ran, last = self.train_runner(iterator, tf.constant(count))
            done += int(ran)
            if not done:
                raise ValueError("the training data set is empty, or smaller than the number of replicas")
            # No clock, signal or loss of one worker alone may decide how many steps the next call has, or whether.
            due = self.workers.chief and time.monotonic() - self.saved_at >= self.checkpoint_seconds
            loss, seconds, save, signal = self.workers.total(
                [float(last), time.monotonic() - begin, due, self.asked.signal]
            )
            loss /= self.strategy.num_replicas_in_sync
            objective.check_binary(self.model, loss)
            if not math.isfinite(loss):
                raise self._not_finite(epoch, done, loss)
            if self.fixed_steps is None and timed:
                alone = self.workers.count == 1
                wanted = next_call_steps(count, wanted, seconds / self.workers.count, alone=alone)
            if gathers_rows(self.model.optimizer):
                wanted = self.fixed_steps = 1
            timed, self.untraced = True, False  # the first call of an epoch may trace, and waits for the data to start
            logs = plain(self.read_metrics())
            self.callbacks.on_train_batch_end(done - 1, logs)
            if save:
                self._save(checkpoint.Position(epoch, done))
            self._stop_if(signal, epoch, done)
            if self.model.stop_training or int(ran) < count:
                break
        return logs

    def _save(self, position: checkpoint.Position) -> None:
        if self.directory is None:
            return
        try:
            arrays = checkpoint.contents(position, self.model, self.kept)
        except FloatingPointError as error:
            raise self._not_finite(position.epoch, position.step, float("nan")) from error
        if self.workers.chief:
            checkpoint.save(self.directory / "checkpoints", position, arrays)
        self.saved_at = time.monotonic()

    def _not_finite(self, epoch: int, step: int, loss: float) -> NonFiniteLossError:
        rate = float(tf.convert_to_tensor(self.model.optimizer.learning_rate))
        return NonFiniteLossError(
            f"the loss is {loss} at step {step} of epoch {epoch + 1}, learning rate {rate:g}. Try a learning rate of "
            f"{rate / 10:g}, gradient clipping (optimizer's global_clipnorm=1.0), or look for NaN in the inputs."
        )

    def _stop_if(self, signals: float, epoch: int, step: int) -> None:
        """Stop where any worker was asked to, by the signal that it got."""
        if not signals:
            return
        stopped, number = f"stopped at step {step} of epoch {epoch + 1}", self.asked.signal or SIGTERM
        if self.directory is None:
            raise Interrupted(f"{stopped}; without run_dir nothing is saved", number)
        self._save(checkpoint.Position(epoch, step))
        raise Interrupted(f"{stopped}; saved in {self.directory}: go on with resume=True (--resume)", number)
