"""The systems of `scaling.py`, one a process: the network of six convolutions under each of tfconv's strategies.

    python scaling_systems.py SYSTEM PRECISION BATCHES.npz

- threads:N: one process on N cores, N threads an operation.
- cpu:N: one process on N cores, N replicas (`MirroredStrategy`).
- workers:N: N processes of one core and one thread each (`MultiWorkerMirroredStrategy`). This process is worker 0 and
  takes the turns; it starts the others, which wait for it in the first step of each turn.
- apart:N: the same, and each worker's batch normalisation sees its own part of the batch only (synchronized=False).
"""

import json
import os
import socket
import subprocess
import sys
import threading

import numpy as np
from image_training_systems import EVER, tfconv_model
from side_by_side import keras_turns


def start_workers(count: int) -> None:
    """Start all workers but the first, each with its `TF_CONFIG`; they end when this process does."""
    sockets = [socket.socket() for _ in range(count)]
    for held in sockets:
        held.bind(("127.0.0.1", 0))
    hosts = [f"127.0.0.1:{held.getsockname()[1]}" for held in sockets]
    for held in sockets:
        held.close()
    for index in reversed(range(count)):
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}})
        if index:
            subprocess.Popen([sys.executable, *sys.argv], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)


def end_with_standard_input() -> None:
    """Leave when worker 0, which holds the other end, is gone."""

    def wait() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main(system: str, precision: str, images: np.ndarray, labels: np.ndarray) -> None:
    """One call of `fit`, an epoch a turn."""
    kind, _, number = system.partition(":")
    count, index, cores = int(number), 0, sorted(os.sched_getaffinity(0))
    if kind in ("workers", "apart"):
        if "TF_CONFIG" not in os.environ:
            start_workers(count)
        index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
        if index:
            end_with_standard_input()
        os.sched_setaffinity(0, {cores[index % len(cores)]})
    else:
        os.sched_setaffinity(0, cores[:count])
    from tfconv import runtime

    runtime.configure("images", threads=1 if kind in ("workers", "apart") else count)
    import keras
    import tensorflow as tf

    from tfconv import layers, training

    runtime.set_seed(0)
    names = {"threads": "auto", "cpu": system, "workers": "multiworker", "apart": "multiworker"}
    strategy = training.strategy.choose(names[kind])
    with strategy.scope():
        model = tfconv_model("six", "mixed_bfloat16" if precision == "bfloat16" else "float32")
    for layer in model.layers:
        if isinstance(layer, layers.BatchNorm):
            layer.synchronized = kind != "apart"
    training.fit(
        model,
        tf.data.Dataset.from_tensor_slices((images, labels)).prefetch(tf.data.AUTOTUNE),
        epochs=EVER,
        optimizer=training.FusedAdam(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
        callbacks=[] if index else [keras_turns()],
        strategy=strategy,
        verbose=0,
    )


if __name__ == "__main__":
    system, precision, batches_file = sys.argv[1:]
    with np.load(batches_file) as arrays:
        given = arrays["images"], arrays["labels"]
    main(system, precision, *given)
