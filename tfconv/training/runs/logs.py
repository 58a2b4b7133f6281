"""The logs of a run directory: `history.csv` and TensorBoard's files."""

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfconv.files import atomic_write

__all__: list[str] = []


class RunLogs(keras.callbacks.Callback):
    """Write each epoch's numbers to `history.csv` and, for TensorBoard, to `logs/train` and `logs/validation`.

    Args:
        directory: the run directory.
        validates: whether an epoch, counted from 0, has numbers of validation; the table has `nan` in their place.
    """

    def __init__(self, directory: Path, validates: Callable[[int], bool] = lambda epoch: True):
        super().__init__()
        self._directory, self._validates = directory, validates
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write one epoch."""
        for name, value in (logs or {}).items():
            part, tag = ("validation", name[4:]) if name.startswith("val_") else ("train", name)
            if part not in self._writers:
                self._writers[part] = tf.summary.create_file_writer(str(self._directory / "logs" / part))
            with self._writers[part].as_default():
                tf.summary.scalar(f"epoch/{tag}", value, step=epoch)
        for writer in self._writers.values():
            writer.flush()
        history = self.model.history
        with atomic_write(self._directory / "history.csv", "w") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["epoch", *history.history])
            columns = [self._column(name, values, history.epoch) for name, values in history.history.items()]
            for number, *values in zip(history.epoch, *columns, strict=True):
                table.writerow([number + 1, *map(repr, values)])

    def _column(self, name: str, values: Sequence[float], epochs: Sequence[int]) -> list[float]:
        """One value for each epoch, NaN where it was not logged."""
        logged = [epoch for epoch in epochs if self._validates(epoch)] if name.startswith("val_") else list(epochs)
        found = dict(zip(logged[-len(values) :], values, strict=True))
        return [found.get(epoch, math.nan) for epoch in epochs]

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Close the TensorBoard files."""
        for writer in self._writers.values():
            writer.close()
