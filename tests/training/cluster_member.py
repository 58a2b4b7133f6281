"""One worker of a training in several processes, for test_workers.py: python cluster_member.py OUT OPTIONS.

OUT gets the worker's weights and numbers. OPTIONS is JSON: strategy, run_dir, resume, epochs,
checkpoint_seconds, slow (seconds a step), clip, nan, writers, words.
"""

import json
import sys
import time
from pathlib import Path

from tfconv import runtime

out, options = Path(sys.argv[1]), json.loads(sys.argv[2])
runtime.configure("images", threads=1)
runtime.set_seed(7, deterministic=True)

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from tfconv import training  # noqa: E402
from tfconv.cli import one_line_errors  # noqa: E402
from tfconv.data.pipeline import row_batches  # noqa: E402
from tfconv.layers import BatchNorm  # noqa: E402

N, VALIDATION = 48, 21
rng = np.random.default_rng(5)
pixels = rng.normal(size=(N + VALIDATION, 6, 6, 2)).astype("float32")
labels = (pixels.mean((1, 2, 3)) * 20).round().astype("int64") % 3
if options.get("nan"):
    N = 8
    pixels[7] = np.nan


class Slow(keras.callbacks.Callback):
    """Say each step, and leave time to be killed between two."""

    def on_train_batch_end(self, batch, logs=None):
        if options.get("slow"):
            print(f"batch {batch}", flush=True)
            time.sleep(options["slow"])


def take(rows, epoch, step):
    return tf.gather(pixels, rows), tf.gather(labels, rows)


def take_words(rows, epoch, step):
    ids = tf.cast(tf.gather(pixels, rows)[:, 0, :, 0] * 20, tf.int32) % 40
    return tf.where(tf.gather(labels, rows)[:, None] == 0, ids % 3, ids), tf.gather(labels, rows)


def build():
    if options.get("words"):  # whose gradients are rows, as many as a worker's part has words
        return keras.Sequential(
            [keras.Input((6,)), keras.layers.Embedding(40, 4), keras.layers.Flatten(), keras.layers.Dense(3)]
        )
    kernel = {"kernel_regularizer": keras.regularizers.L2(0.01)}
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(4, 3, **kernel),
            BatchNorm(),
            keras.layers.ReLU(),
            keras.layers.Conv2D(4, 3, **kernel),
            BatchNorm(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )


with one_line_errors("member"):
    strategy = training.strategy.choose(options["strategy"])
    data = row_batches(
        N, take_words if options.get("words") else take, batch_size=8, seed=None if options.get("nan") else 11
    )
    held_out = (
        tf.data.Dataset.range(N, N + VALIDATION)
        .batch(8)
        .map(lambda rows: (take_words if options.get("words") else take)(rows, 0, 0))
    )
    with strategy.scope():
        model = build()
    callbacks = [keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.7, patience=0), Slow()]
    if options.get("writers"):
        callbacks += [keras.callbacks.CSVLogger("log.csv"), keras.callbacks.ModelCheckpoint("best.keras", "val_loss")]
    history = training.fit(
        model,
        data,
        validation_data=held_out,
        epochs=options.get("epochs", 9),
        optimizer=training.FusedAdam(0.05, global_clipnorm=options.get("clip"))
        if options.get("words")
        else keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=options.get("clip")),
        callbacks=callbacks,
        strategy=strategy,
        run_dir=options.get("run_dir"),
        resume=options.get("resume", False),
        checkpoint_seconds=options.get("checkpoint_seconds", 60.0),
        steps_per_execution="auto" if not options.get("slow") else 1,
        verbose=2,
    )
    scores = training.evaluate(model, held_out, strategy=strategy)
    digest = {"history": history.history, "scores": scores, "chief": training.strategy.is_chief(strategy)}
    digest["weights"] = [weight.tolist() for weight in model.get_weights()]
    out.write_text(json.dumps(digest))
