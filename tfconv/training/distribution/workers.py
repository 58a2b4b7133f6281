"""What the processes of one training exchange between calls of the graph, by TensorFlow's collectives alone."""

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from tfconv.errors import InputError
from tfconv.training.distribution.strategy import is_chief

__all__ = ["WorkerLostError"]

Result = TypeVar("Result")

# What an operation fails with when a peer is gone: its socket closed, or it no longer answers.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)


class WorkerLostError(ConnectionError):
    """Another worker of this training ended or does not answer; the message says how to go on."""


class Workers:
    """The processes that train one model together, or the one process that does.

    `total`, `from_chief`, `only_chief` and `agree` are collective calls: all workers make them, in the same order.

    Args:
        strategy: of the training.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self.strategy = strategy
        self.count = 1
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            cluster = strategy.cluster_resolver.cluster_spec()
            self.count = max(sum(cluster.num_tasks(job) for job in cluster.jobs), 1)
        self.chief = is_chief(strategy)
        self._discarded: tempfile.TemporaryDirectory[str] | None = None
        self._local = strategy.num_replicas_in_sync // self.count
        self._reduce = tf.function(lambda parts: strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None))

    def total(self, values: Sequence[float]) -> list[float]:
        """Return the sum over workers of each number; NaN and infinity stay what they are."""
        if self.count == 1:
            return list(values)
        return self._sum(np.array(values, np.float64)).tolist()

    def from_chief(self, content: bytes) -> bytes:
        """Return the chief's `content`; that of the others is ignored."""
        if self.count == 1:
            return content
        length = int(self._sum(np.array([len(content) if self.chief else 0], np.int64))[0])
        words = np.zeros(-(-length // 4), np.int32)
        if self.chief:
            words.view(np.uint8)[:length] = np.frombuffer(content, np.uint8)
        return self._sum(words).tobytes()[:length]

    def only_chief(self, action: Callable[[], Result]) -> Result | None:
        """Call a function on the chief; where it raises an `InputError`, every worker raises the same."""
        result, mistake = None, ""
        if self.chief:
            try:
                result = action()
            except InputError as error:
                if self.count == 1:
                    raise
                mistake = str(error)
        mistake = json.loads(self.from_chief(json.dumps(mistake).encode()))
        if mistake:
            raise InputError(mistake)
        return result

    def agree(self, given: Mapping[str, Any]) -> None:
        """Refuse values that differ between workers: they would wait for each other, or train different models.

        Args:
            given: values of this worker by name; their `repr` is compared.

        Raises:
            InputError: on every worker, with the names of what differs.
        """
        if self.count == 1:
            return
        own = {name: hashlib.sha256(repr(value).encode()).hexdigest() for name, value in given.items()}
        expected = json.loads(self.from_chief(json.dumps(own).encode()))
        differing = self.total([own.get(name) != digest for name, digest in expected.items()])
        if names := [name for name, number in zip(expected, differing, strict=True) if number]:
            raise InputError(f"{', '.join(names)} not the same for all {self.count} workers: give each the same")

    def folder(self, directory: Path) -> Path:
        """Return where this worker saves a model, which all must do: Keras saves metrics too, summed over workers."""
        if self.chief:
            return directory
        if self._discarded is None:
            self._discarded = tempfile.TemporaryDirectory(prefix="tfconv-")
        return Path(self._discarded.name)

    def callbacks(self, callbacks: Sequence[keras.callbacks.Callback]) -> list[keras.callbacks.Callback]:
        """Return the callbacks to call on this worker, so that files are written by the chief alone.

        Raises:
            ValueError: several workers and `BackupAndRestore`.
        """
        for callback in callbacks if self.count > 1 else ():
            if isinstance(callback, keras.callbacks.BackupAndRestore):
                raise ValueError("BackupAndRestore is for one process: give run_dir and resume=True in its place")
            if isinstance(callback, keras.callbacks.ModelCheckpoint):
                callback.filepath = str(self.folder(Path(callback.filepath).parent) / Path(callback.filepath).name)
        writers = (keras.callbacks.CSVLogger, keras.callbacks.RemoteMonitor, keras.callbacks.TensorBoard)
        return [callback for callback in callbacks if self.chief or not isinstance(callback, writers)]

    @contextlib.contextmanager
    def together(self, run_dir: Path | None) -> Iterator[None]:
        """Raise a `WorkerLostError` where an operation of several workers failed because one of them is gone.

        Raises:
            WorkerLostError: with how to go on.
        """
        try:
            yield
            if self._discarded is not None:
                self._discarded.cleanup()
        except _LOST as error:
            if self.count == 1:
                raise
            reason = str(error).split("aborted by:")[-1].strip().split("\n")[0]
            remedy = "without run_dir nothing is saved"
            if run_dir is not None:
                remedy = f"start all again with resume=True (--resume) to go on from the last checkpoint in {run_dir}"
            raise WorkerLostError(f"another of the {self.count} workers stopped ({reason[:80]}): {remedy}") from error

    def _sum(self, values: np.ndarray) -> np.ndarray:
        if not values.size:
            return values

        def part(context: Any) -> tf.Tensor:
            first = context.replica_id_in_sync_group % self._local == 0  # a worker speaks once, by its first replica
            return tf.constant(values if first else np.zeros_like(values))

        parts = self.strategy.experimental_distribute_values_from_function(part)
        return self._reduce(parts).numpy()
