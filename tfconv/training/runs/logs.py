"""Each epoch's numbers in a run directory: a table, and TensorBoard's files."""

import csv
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfconv.files import atomic_write

__all__: list[str] = []


class RunLogs(keras.callbacks.Callback):
    """Write each epoch's numbers to `history.csv` and, for TensorBoard, to `logs/train` and `logs/validation`."""

    def __init__(self, directory: Path):
        super().__init__()
        self._directory = directory
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
            for i, number in enumerate(history.epoch):
                table.writerow([number + 1, *(repr(values[i]) for values in history.history.values())])

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Close the TensorBoard files."""
        for writer in self._writers.values():
            writer.close()
