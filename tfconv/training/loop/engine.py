"""The training loop of one call of `fit`, in one process or in several, which decide everything together."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import Any

import keras
import tensorflow as tf

from tfconv.errors import InputError
from tfconv.training.distribution.gradients import gathers_rows
from tfconv.training.distribution.workers import Workers
from tfconv.training.loop import objective
from tfconv.training.loop.evaluate import evaluate, evaluated, plain
from tfconv.training.loop.feed import Feed, build, first_epoch, prepared, starting_place
from tfconv.training.loop.interrupt import Asked, Interrupted
from tfconv.training.loop.plan import Plan, warn_of_end
from tfconv.training.loop.progress import ProgressLines
from tfconv.training.loop.step import has_batch_hook, make_runner, next_call_steps
from tfconv.training.runs import checkpoint, run
from tfconv.training.runs.logs import RunLogs
from tfconv.training.runs.run import check_loss, in_float32, write_answers

__all__ = ["NonFiniteLossError"]


class NonFiniteLossError(FloatingPointError):
    """The loss, or a weight, became NaN or infinite; the message says at which step and what to try."""


@dataclass(frozen=True)
class Data:
    """What a model is trained on, and what it is scored on after an epoch."""

    train: tf.data.Dataset
    validation: tf.data.Dataset | None = None


def _scored(data: tf.data.Dataset, steps: int | None) -> tf.data.Dataset:
    """The batches that a model is scored on after an epoch, as the loop iterates them."""
    if steps is not None:
        if 0 <= int(data.cardinality()) < steps:
            warn_of_end("validation", "validation_steps")
        data = data.take(steps)
    return prepared(data, training=False)


class Engine:
    """The training loop of one call of `fit`.

    Args:
        model: compiled; its variables, those of its metrics and of its optimizer are made here.
        workers: the processes that train it.
        data: batches with their sample weights.
        plan: how long, and what an epoch is.
        settings: of the run directory; `None`: nothing is written.
        callbacks: the user's.
        progress: what is shown; `None`: nothing.
        asked: whether this process is asked to stop.
    """

    def __init__(
        self,
        model: keras.Model,
        workers: Workers,
        data: Data,
        plan: Plan,
        settings: run.RunSettings | None,
        callbacks: Sequence[keras.callbacks.Callback],
        progress: ProgressLines | None,
        asked: Asked,
    ):
        self.model, self.workers, self.data, self.plan = model, workers, data, plan
        self.settings, self.progress, self.asked = settings, progress, asked
        self.strategy = strategy = workers.strategy
        build(model, data.train)  # metrics must exist before they are restored
        if not model.optimizer.built:  # loss scaling would start again
            model.optimizer.build(model.trainable_variables)
        self.train_runner = make_runner(model, strategy, training=True)
        self.test_runner = make_runner(model, strategy, training=False)
        self.read_metrics = tf.function(model.get_metrics_result)
        self.validation = None if data.validation is None else _scored(data.validation, plan.validation_steps)
        self.fixed_steps = None if plan.steps_per_execution == "auto" else int(plan.steps_per_execution)
        if self.fixed_steps is None and any(has_batch_hook(callback) for callback in callbacks):
            self.fixed_steps = 1
        self.untraced = True
        self.feed = Feed(data.train, strategy.num_replicas_in_sync)

        history = next((c for c in callbacks if isinstance(c, keras.callbacks.History)), None)
        self.history = history or keras.callbacks.History()
        self.stateful = [*callbacks, *([] if history else [self.history])]  # their state is part of a checkpoint
        self.begun: list[dict[str, Any]] = []  # their numbers when training had begun
        self.saved_at = time.monotonic()
        own: list[keras.callbacks.Callback] = []
        if settings is not None and workers.chief:
            own.append(RunLogs(settings.directory, plan.validates))
        if progress is not None:
            own.append(progress)
        self.callbacks = keras.callbacks.CallbackList(
            [*workers.callbacks(self.stateful), *own],
            model=model,
            epochs=plan.epochs,
            steps=plan.steps_per_epoch or self.feed.size,
            verbose=int(progress is not None),
        )

    def train(self) -> keras.callbacks.History:
        """Train all epochs, from the start or from the newest checkpoint."""
        model, settings, plan = self.model, self.settings, self.plan
        model.stop_training = False
        if settings is not None and not settings.resume and self.workers.chief:
            run.begin(settings)
        self.callbacks.on_train_begin()
        self.begun = [checkpoint.numbers(callback) for callback in self.stateful]
        position = self._starting_position()
        if settings is not None and settings.resume and self.workers.chief:
            run.begin(settings)
        self.feed.go_to(position.place)
        self.saved_at = time.monotonic()
        logs: dict[str, float] = {}
        for epoch in range(position.epoch, plan.epochs):
            if model.stop_training:
                break
            if not position.step:
                model.reset_metrics()
            self.callbacks.on_epoch_begin(epoch)
            steps, logs = self._epoch(epoch, position.step)
            if self.validation is not None and plan.validates(epoch):
                logs |= self._validated(self.validation, self._position(epoch, steps))
            self.callbacks.on_epoch_end(epoch, logs)
            if plan.steps_per_epoch is None or self.feed.ended:
                self.feed.start_again()
            position = self._position(epoch + 1, 0)
            self._save(position)
            self._stop_if(self.workers.total([self.asked.signal])[0], position)
        model.optimizer.finalize_variable_values(model.trainable_variables)
        self.callbacks.on_train_end(logs)
        model.history = self.history
        if settings is not None:
            self._save_model(settings.directory)
        return self.history

    def _position(self, epoch: int, step: int) -> checkpoint.Position:
        return checkpoint.Position(epoch, step, self.feed.place)

    def _save_model(self, directory: Path) -> None:
        """Write the model in float32, unless that one scores worse than the one that was trained."""
        model, saved = self.model, in_float32(self.model)
        what, data = "the validation split", self.validation
        if data is None:
            what, data = "some training batches", prepared(first_epoch(self.data.train).take(8), training=False)
        if saved is not model:
            saved.compile("sgd", model.loss, loss_weights=model._compile_loss._user_loss_weights, jit_compile=False)
            trained, again = (evaluate(one, data, strategy=self.strategy)["loss"] for one in (model, saved))
            check_loss(trained, again, model.dtype_policy.name, what)
        if self.workers.chief:
            write_answers(directory, model, next(iter(data))[0])
        run.save_model(saved, self.workers.folder(directory))

    def _starting_position(self) -> checkpoint.Position:
        """Where training begins; to resume, the chief reads the newest checkpoint and all go on from it.

        No folder need be shared by the workers.

        Raises:
            InputError: more epochs are done than are asked for now, or epochs were of another length.
        """
        plan = self.plan
        place = starting_place(self.data.train, plan.initial_epoch, plan.steps_per_epoch)
        start = checkpoint.Position(plan.initial_epoch, 0, place)
        if self.settings is None or not self.settings.resume:
            return start
        directory = self.settings.directory
        found = self.workers.only_chief(lambda: checkpoint.newest(directory / "checkpoints")) or b""
        content = self.workers.from_chief(found)
        if not content:
            return start
        position, before = checkpoint.restore(content, directory / "checkpoints", self.model, self.stateful)
        for name, value in plan.must_match().items():
            if before[name] != value:
                raise InputError(
                    f"{directory} was started with {name}={before[name]!r}, now it is {value!r}: resume with the same "
                    "settings, or choose another folder"
                )
        least = position.epoch + bool(position.step)
        if least > plan.epochs:
            raise InputError(
                f"{directory} is in epoch {least} already, and epochs={plan.epochs} (--epochs) is less: resume with "
                f"{least} or more, or choose another folder"
            )
        if self.progress:
            print(self._going_on(position), flush=True)
        return position

    def _going_on(self, position: checkpoint.Position) -> str:
        """Where a resumed training begins, or why it does nothing more."""
        epochs = self.plan.epochs
        if self.model.stop_training:
            return f"nothing to go on with: stopped early after epoch {position.epoch}; with more --patience it goes on"
        if position.epoch == epochs:
            return f"nothing to go on with: all {epochs} epochs are done; with more --epochs it goes on"
        return f"going on at step {position.step + 1} of epoch {position.epoch + 1}"

    def _validated(self, data: tf.data.Dataset, position: checkpoint.Position) -> dict[str, float]:
        """The scores of an epoch; a process that is asked to stop meanwhile does not wait for them."""
        content = self._content(position)  # now: metrics of the epoch are gone once validation has begun

        def look_up() -> None:
            self._stop_if(self.workers.total([self.asked.signal])[0], position, content)

        values = evaluated(self.model, self.test_runner, data, self.callbacks, look_up)
        return {f"val_{name}": value for name, value in values.items()}

    def _epoch(self, epoch: int, done: int) -> tuple[int, dict[str, float]]:
        """The steps of one epoch, several at a time; returns how many there are, and the logs."""
        logs = plain(self.read_metrics()) if done else {}
        most = self.plan.steps_per_epoch
        wanted, timed = self.fixed_steps or 1, False
        while not self.feed.ended and (most is None or done < most):
            limits = [
                number for number in (self.feed.left, None if most is None else most - done) if number is not None
            ]
            count = min([wanted, *limits])
            if self.untraced and self.strategy.num_replicas_in_sync > 1:
                count = 1  # whether rows are gathered shows when the first step is traced
            self.callbacks.on_train_batch_begin(done)
            begin = time.monotonic()
            ran, last = self.train_runner(self.feed.iterator, tf.constant(count))
            empty = not self.feed.place.batch
            self.feed.advance(int(ran), count)
            done += int(ran)
            if not done:
                if empty:
                    raise ValueError("the training data set is empty, or smaller than the number of replicas")
                self.feed.start_again()  # its size is not known, and it had ended with the epoch before
                continue
            if not int(ran):  # a data set of unknown size had ended with the call before
                break
            # No clock, signal or loss of one worker alone may decide how many steps the next call has, or whether.
            loss, seconds, save, signal = self.workers.total(
                [float(last), time.monotonic() - begin, self._save_is_due(), self.asked.signal]
            )
            loss /= self.strategy.num_replicas_in_sync
            objective.check_binary(self.model, loss)
            if not math.isfinite(loss):
                raise self._not_finite(self._position(epoch, done), f"the loss is {loss}")
            if self.fixed_steps is None and timed:
                alone = self.workers.count == 1
                wanted = next_call_steps(count, wanted, seconds / self.workers.count, alone=alone)
            if gathers_rows(self.model.optimizer):
                wanted = self.fixed_steps = 1
            timed, self.untraced = True, False  # the first call of an epoch may trace, and waits for the data to start
            logs = plain(self.read_metrics())
            self.callbacks.on_train_batch_end(done - 1, logs)
            position = self._position(epoch, done)
            if save:
                self._save(position)
            self._stop_if(signal, position)
            if self.model.stop_training:
                break
        if most is not None and done < most and not self.model.stop_training:
            warn_of_end("training", "steps_per_epoch")
        return done, logs

    def _content(self, position: checkpoint.Position) -> dict[str, Any]:
        """A checkpoint in memory; empty without a run directory."""
        if self.settings is None:
            return {}
        try:
            return checkpoint.contents(position, self.model, self.stateful, self.begun, self.plan.must_match())
        except FloatingPointError as error:
            raise self._not_finite(position, str(error)) from error

    def _save(self, position: checkpoint.Position, content: dict[str, Any] | None = None) -> None:
        """Write a checkpoint of what is now, or of `content`."""
        content = self._content(position) if content is None else content
        if self.settings is not None and self.workers.chief:
            checkpoint.save(self.settings.directory / "checkpoints", position, content)
        self.saved_at = time.monotonic()

    def _save_is_due(self) -> bool:
        if self.settings is None or not self.workers.chief:
            return False
        return time.monotonic() - self.saved_at >= self.settings.checkpoint_seconds

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
        if self.settings is None:
            raise Interrupted(f"{stopped}; without run_dir nothing is saved", number)
        self._save(position, content)
        self.workers.total([0.0])  # a cluster may kill the chief in the middle of its write once another has left
        directory = self.settings.directory
        raise Interrupted(f"{stopped}; saved in {directory}: go on with resume=True (--resume)", number)
