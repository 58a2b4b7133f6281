"""One worker of a training in several processes, for test_workers.py: python cluster_member.py OUT OPTIONS.

OUT gets the worker's weights and numbers. OPTIONS is JSON: strategy, run_dir, resume, checkpoint_seconds, slow (seconds
a step), slow_write (seconds a checkpoint), patience (seconds for a step once it is asked to stop), nan (in the last
example), words (train on words too), refused (another run's folder, to try first).
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

from tfconv import InputError, training  # noqa: E402
from tfconv.cli import one_line_errors  # noqa: E402
from tfconv.data.batching import row_batches  # noqa: E402
from tfconv.layers import BatchNorm  # noqa: E402
from tfconv.training.loop import interrupt  # noqa: E402
from tfconv.training.runs import checkpoint  # noqa: E402

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


def take_pixels(rows, epoch, step):
    return tf.gather(pixels, rows), tf.gather(labels, rows)


def take_words(rows, epoch, step):
    ids = tf.cast(tf.gather(pixels, rows)[:, 0, :, 0] * 20, tf.int32) % 40
    return tf.where(tf.gather(labels, rows)[:, None] == 0, ids % 3, ids), tf.gather(labels, rows)


def pixels_model():
    kernel = {"kernel_regularizer": keras.regularizers.L2(0.01)}
    layers = [keras.layers.Conv2D(4, 3, **kernel), BatchNorm(), keras.layers.ReLU()]
    return keras.Sequential(
        [keras.Input((6, 6, 2)), *layers, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    )


def words_model():
    """Its gradients are rows, as many as a worker's part has words."""
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Embedding(40, 4), keras.layers.Flatten(), keras.layers.Dense(3)]
    )


def trained(build, take, optimizer, callbacks=(), **arguments):
    """Weights, history and scores."""
    data = row_batches(N, take, batch_size=8, seed=None if options.get("nan") else 11)
    held_out = tf.data.Dataset.range(N, N + VALIDATION).batch(8).map(lambda rows: take(rows, 0, 0))
    with strategy.scope():
        model = build()
    history = training.fit(
        model,
        data,
        validation_data=held_out,
        epochs=9,
        optimizer=optimizer,
        callbacks=[keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.7, patience=0), Slow(), *callbacks],
        strategy=strategy,
        steps_per_execution="auto" if not options.get("slow") else 1,
        verbose=2,
        **arguments,
    )
    scores = training.evaluate(model, held_out, strategy=strategy)
    weights = [weight.tolist() for weight in model.get_weights()]
    return {"history": history.history, "scores": scores, "weights": weights}


def save_slowly(*arguments, save=checkpoint.save):
    time.sleep(options.get("slow_write", 0))
    return save(*arguments)


checkpoint.save = save_slowly
interrupt.PATIENCE_SECONDS = options.get("patience", interrupt.PATIENCE_SECONDS)

with one_line_errors("member"):
    strategy = training.strategy.choose(options["strategy"])
    found = {"chief": training.strategy.is_chief(strategy)}
    if "refused" in options:
        try:
            trained(words_model, take_words, keras.optimizers.SGD(0.1), run_dir=options["refused"])
        except InputError as error:
            print(f"refused: {error}", flush=True)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.5)
    writers = [keras.callbacks.CSVLogger("log.csv"), keras.callbacks.ModelCheckpoint("best.keras", "val_loss")]
    run = {name: options[name] for name in ("run_dir", "resume", "checkpoint_seconds") if name in options}
    found["pixels"] = trained(pixels_model, take_pixels, optimizer, writers, **run)
    if options.get("words"):
        optimizer = training.FusedAdam(0.05, global_clipnorm=0.5)
        found["words"] = trained(words_model, take_words, optimizer)
    out.write_text(json.dumps(found))
