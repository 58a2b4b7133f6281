"""oneDNN on against off, for the kinds of network that `tfconv.runtime` chooses by.

    python recipes/benchmarks/onednn.py --json onednn.json

TensorFlow reads the switch once, at import, so each setting is a process of its own; the two take turns.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from side_by_side import Row, answer_turns, report, rows_of, take_turns

NETWORKS = ("text CNN, one width", "text CNN, three widths", "image CNN, batch norm")


@dataclass(frozen=True)
class Config:
    """The benchmark's settings."""

    steps: int = 40  # training steps per turn
    turns: int = 5  # turns of each setting; their median counts
    threads: int = 2  # threads of each setting
    json: Path | None = None  # file to write the rows to


def image_cnn():
    """Six convolutions 32-32-64-64-128-128 with Keras' batch normalisation, on 32 x 32 x 3."""
    import keras

    layers = [keras.Input((32, 32, 3))]
    for i, filters in enumerate((32, 32, 64, 64, 128, 128)):
        layers += [keras.layers.Conv2D(filters, 3, padding="same", use_bias=False), keras.layers.BatchNormalization()]
        layers += [keras.layers.ReLU(), *([keras.layers.MaxPooling2D()] if i % 2 else [])]
    return keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)])


def work(network: str, steps: int, threads: int) -> None:
    """Be one setting: train on the same synthetic batches in every turn."""
    from tfconv import runtime

    runtime.configure("text", threads=threads)
    import tensorflow as tf

    from tfconv import models, training

    rng = np.random.default_rng(0)
    if network.startswith("image"):
        model, inputs = image_cnn(), rng.normal(size=(steps, 64, 32, 32, 3)).astype("float32")
        labels = rng.integers(0, 10, (steps, 64))
    else:
        name = models.TextCNN if network.endswith("one width") else models.MultiWidthTextCNN
        model, labels = name(30_000), rng.integers(0, 2, (steps, 64))
        inputs = np.minimum(rng.zipf(1.2, size=(steps, 64, 400)) + 2, 29_999).astype("int32")
    data = tf.data.Dataset.from_tensor_slices((inputs, labels))

    def turn() -> float:
        begin = time.perf_counter()
        training.fit(model, data, optimizer=None if model.compiled else training.FusedAdam(), verbose=0)
        return time.perf_counter() - begin

    answer_turns(turn)


def main(config: Config) -> dict[str, list[Row]]:
    """Run all comparisons, print the table, write the rows."""
    rows: list[Row] = []
    for network in NETWORKS:
        command = [sys.executable, __file__, "worker", network, str(config.steps), str(config.threads)]
        settings = {"oneDNN on": {"TF_ENABLE_ONEDNN_OPTS": "1"}, "oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"}}
        seconds = take_turns(dict.fromkeys(settings, command), config.turns, settings)
        rows += rows_of(network, "steps/s", config.steps, seconds, reference="oneDNN on")
    notes = ["ratio: steps a second with oneDNN on, divided by the row's; batches of 64, synthetic data"]
    report("oneDNN", rows, config.json, notes)
    return {"rows": rows}


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        work(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main(tyro.cli(Config))
