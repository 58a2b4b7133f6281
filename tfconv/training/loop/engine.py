"""One call of `fit`, from step to step: the same in one process and in many, which decide everything together."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from signal import SIGTERM
from typing import Any, Literal

import keras
import tensorflow as tf

from tfconv.errors import InputError
from tfconv.training.distribution.gradients import gathers_rows
from tfconv.training.distribution.workers import Workers
from tfconv.training.loop import objective
from tfconv.training.loop.evaluate import evaluate, evaluated, plain
from tfconv.training.loop.feed import build, first_batches, passes, prepared
from tfconv.training.loop.interrupt import Asked, Interrupted
from tfconv.training.loop.progress import ProgressLines
from tfconv.training.loop.step import has_batch_hook, make_runner, next_call_steps
from tfconv.training.runs import checkpoint, run
from tfconv.training.runs.logs import RunLogs
from tfconv.training.runs.run import check_loss, in_float32, write_answers

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
        self.prepare = partial(objective.weighted, model, class_weight)
        steps = int(train.cardinality())
        self.steps = steps if steps > 0 else None
        build(model, self.prepare(train))  # metrics must exist before they are restored
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
        self.begun = [checkpoint.numbers(callback) for callback in self.kept]
        if self.directory and resume:
            position = self._restored(self.directory, epochs)
            if self.workers.chief:
                run.begin(self.directory, about, resume=True)
        self.saved_at = time.monotonic()
        batches = passes(self.train_data, self.strategy.num_replicas_in_sync, self.prepare, *position)
        logs: dict[str, float] = {}
        for epoch in range(position.epoch, epochs):
            if model.stop_training:
                break
            first = position.step
            if not first:
                model.reset_metrics()
            self.callbacks.on_epoch_begin(epoch)
            steps, logs = self._epoch(epoch, first, next(batches))
            if self.validation is not None:
                logs |= self._validated(self.validation, checkpoint.Position(epoch, steps))
            self.callbacks.on_epoch_end(epoch, logs)
            position = checkpoint.Position(epoch + 1, 0)
            self._save(position)
            self._stop_if(self.workers.total([self.asked.signal])[0], position)
        model.optimizer.finalize_variable_values(model.trainable_variables)
        self.callbacks.on_train_end(logs)
        model.history = self.history
        if self.directory:
            self._keep(self.directory)
        return self.history

    def _keep(self, directory: Path) -> None:
        """Write the model in float32, unless that one scores worse than the one that was trained."""
        model, kept = self.model, in_float32(self.model)
        what, data = "the validation split", self.validation
        if data is None:
            what, data = "some training batches", prepared(first_batches(self.train_data, 8), training=False)
        if kept is not model:
            kept.compile("sgd", model.loss, loss_weights=model._compile_loss._user_loss_weights, jit_compile=False)
            trained, again = (evaluate(one, data, strategy=self.strategy)["loss"] for one in (model, kept))
            check_loss(trained, again, model.dtype_policy.name, what)
        if self.workers.chief:
            write_answers(directory, model, next(iter(data))[0])
        run.save_model(kept, self.workers.folder(directory))

    def _restored(self, directory: Path, epochs: int) -> checkpoint.Position:
        """The chief reads the newest checkpoint, and all go on from it: no folder need be shared.

        Raises:
            InputError: more epochs are done than are asked for now.
        """
        found = self.workers.only_chief(lambda: checkpoint.newest(directory / "checkpoints")) or b""
        content = self.workers.from_chief(found)
        if not content:
            return checkpoint.Position(0, 0)
        position = checkpoint.restore(content, directory / "checkpoints", self.model, self.kept)
        least = position.epoch + bool(position.step)
        if least > epochs:
            raise InputError(
                f"{directory} is in epoch {least} already, and epochs={epochs} (--epochs) is less: resume with "
                f"{least} or more, or choose another folder"
            )
        if self.progress:
            print(self._going_on(position, epochs), flush=True)
        return position

    def _going_on(self, position: checkpoint.Position, epochs: int) -> str:
        """Where a resumed training begins, or why it does nothing more."""
        if self.model.stop_training:
            return f"nothing to go on with: stopped early after epoch {position.epoch}; with more --patience it goes on"
        if position.epoch == epochs:
            return f"nothing to go on with: all {epochs} epochs are done; with more --epochs it goes on"
        return f"going on at step {position.step + 1} of epoch {position.epoch + 1}"

    def _validated(self, data: tf.data.Dataset, position: checkpoint.Position) -> dict[str, float]:
        """The scores of an epoch; who is asked to stop meanwhile need not wait for them."""
        content = self._content(position)  # now: metrics of the epoch are gone once validation has begun

        def look_up() -> None:
            self._stop_if(self.workers.total([self.asked.signal])[0], position, content)

        values = evaluated(self.model, self.test_runner, data, self.callbacks, look_up)
        return {f"val_{name}": value for name, value in values.items()}

    def _epoch(self, epoch: int, done: int, iterator: Iterator[Any]) -> tuple[int, dict[str, float]]:
        """The steps of one epoch, several at a time; returns how many there are, and the logs."""
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
            if not int(ran):  # a data set of unknown size had ended with the call before
                break
            # No clock, signal or loss of one worker alone may decide how many steps the next call has, or whether.
            due = self.workers.chief and time.monotonic() - self.saved_at >= self.checkpoint_seconds
            loss, seconds, save, signal = self.workers.total(
                [float(last), time.monotonic() - begin, due, self.asked.signal]
            )
            loss /= self.strategy.num_replicas_in_sync
            objective.check_binary(self.model, loss)
            if not math.isfinite(loss):
                raise self._not_finite(checkpoint.Position(epoch, done), f"the loss is {loss}")
            if self.fixed_steps is None and timed:
                alone = self.workers.count == 1
                wanted = next_call_steps(count, wanted, seconds / self.workers.count, alone=alone)
            if gathers_rows(self.model.optimizer):
                wanted = self.fixed_steps = 1
            timed, self.untraced = True, False  # the first call of an epoch may trace, and waits for the data to start
            logs = plain(self.read_metrics())
            self.callbacks.on_train_batch_end(done - 1, logs)
            position = checkpoint.Position(epoch, done)
            if save:
                self._save(position)
            self._stop_if(signal, position)
            if self.model.stop_training or int(ran) < count:
                break
        return done, logs

    def _content(self, position: checkpoint.Position) -> dict[str, Any]:
        """A checkpoint in memory; empty without a run directory."""
        if self.directory is None:
            return {}
        try:
            return checkpoint.contents(position, self.model, self.kept, self.begun)
        except FloatingPointError as error:
            raise self._not_finite(position, str(error)) from error

    def _save(self, position: checkpoint.Position, content: dict[str, Any] | None = None) -> None:
        """Write a checkpoint of what is now, or of `content`."""
        content = self._content(position) if content is None else content
        if self.directory and self.workers.chief:
            checkpoint.save(self.directory / "checkpoints", position, content)
        self.saved_at = time.monotonic()

    def _not_finite(self, position: checkpoint.Position, found: str) -> NonFiniteLossError:
        at, lower = f"step {position.step} of epoch {position.epoch + 1}", "a lower learning rate"
        if hasattr(self.model.optimizer, "learning_rate"):  # a `MultiOptimizer` has several
            rate = float(tf.convert_to_tensor(self.model.optimizer.learning_rate))
            at, lower = f"{at}, learning rate {rate:g}", f"a learning rate of {rate / 10:g}"
        return NonFiniteLossError(
            f"{found} at {at}. Try {lower}, gradient clipping (optimizer's global_clipnorm=1.0), or look for NaN in "
            "the inputs."
        )

    def _stop_if(self, signals: float, position: checkpoint.Position, content: dict[str, Any] | None = None) -> None:
        """Stop where any worker was asked to, by the signal that it got."""
        if not signals:
            return
        stopped = f"stopped at step {position.step} of epoch {position.epoch + 1}"
        number = self.asked.signal or SIGTERM
        if self.directory is None:
            raise Interrupted(f"{stopped}; without run_dir nothing is saved", number)
        self._save(position, content)
        self.workers.total([0.0])  # a cluster may kill the chief in the middle of its write once another has left
        raise Interrupted(f"{stopped}; saved in {self.directory}: go on with resume=True (--resume)", number)
