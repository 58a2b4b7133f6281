"""Images per second through random flip and translation: tfconv against Keras' layers and tf.image.

    python recipes/benchmarks/augmentation.py --json augmentation.json

Each system flips an image at random and shifts it by up to four pixels, independently for each image, in a `tf.data`
pipeline that ends in batches of 128. Keras' two layers draw for each image also when they are given a batch, which is
faster than one by one; both ways are measured. `RandomTranslation` shifts by fractions of a pixel unless its
interpolation is "nearest", which is faster, too, and is all that the others do.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from side_by_side import Row, answer_turns, report, rows_of, take_turns

SIDE, PIXELS = 32, 4
SYSTEMS = {
    "tfconv": "tfconv",
    "Keras layers, batches": "keras-batches-bilinear",
    "the same, whole pixels": "keras-batches-nearest",
    "the same, one by one": "keras-one-nearest",
    "tf.image, one by one": "tf-image",
}


@dataclass(frozen=True)
class Config:
    """The benchmark's settings."""

    batches: int = 200  # batches per turn
    batch_size: int = 128  # images per batch
    turns: int = 5  # turns of each system; their median counts
    threads: int = 2  # threads of each system
    json: Path | None = None  # file to write the rows to


def make_pipeline(system: str, images: np.ndarray, batch_size: int):
    """Return the data set of augmented batches; `images` is uint8 (n, 32, 32, 3)."""
    import keras
    import tensorflow as tf

    from tfconv.data import augment

    def keras_layers():
        # In float32: as uint8 they take longer.
        flip = keras.layers.RandomFlip("horizontal", seed=1)
        shift = {"fill_mode": "reflect", "interpolation": system.rpartition("-")[2], "seed": 2}
        translate = keras.layers.RandomTranslation(PIXELS / SIDE, PIXELS / SIDE, **shift)
        return lambda image: translate(flip(image, training=True), training=True)

    def tf_image(image):
        padded = tf.pad(tf.image.random_flip_left_right(image), [[PIXELS] * 2, [PIXELS] * 2, [0, 0]], "REFLECT")
        return tf.image.random_crop(padded, (SIDE, SIDE, 3))

    def tfconv(step, batch):
        return augment.random_flip_translate(batch, tf.stack([7, step]), PIXELS)

    batches = tf.data.Dataset.from_tensor_slices(images.reshape(-1, batch_size, SIDE, SIDE, 3))
    if system == "tfconv":
        dataset = batches.enumerate().map(tfconv, num_parallel_calls=tf.data.AUTOTUNE)
    elif system.startswith("keras-batches"):
        dataset = batches.map(keras_layers(), num_parallel_calls=tf.data.AUTOTUNE)
    else:
        function = tf_image if system == "tf-image" else keras_layers()
        dataset = tf.data.Dataset.from_tensor_slices(images).map(function, num_parallel_calls=tf.data.AUTOTUNE)
        dataset = dataset.batch(batch_size)
    return dataset.prefetch(tf.data.AUTOTUNE)


def work(system: str, batches: int, batch_size: int, threads: int) -> None:
    """Be one system: run through the pipeline in every turn."""
    from tfconv import runtime

    runtime.configure("images", threads=threads)
    images = np.random.default_rng(0).integers(0, 256, (batches * batch_size, SIDE, SIDE, 3), dtype=np.uint8)
    dataset = make_pipeline(system, images, batch_size)

    def turn() -> float:
        begin = time.perf_counter()
        for _ in dataset:
            pass
        return time.perf_counter() - begin

    answer_turns(turn)


def main(config: Config) -> dict[str, list[Row]]:
    """Run all systems, print the table, write the rows."""
    sizes = [str(number) for number in (config.batches, config.batch_size, config.threads)]
    commands = {name: [sys.executable, __file__, "worker", system, *sizes] for name, system in SYSTEMS.items()}
    seconds = take_turns(commands, config.turns)
    amount = config.batches * config.batch_size
    rows = rows_of("flip and translation", "images/s", amount, seconds, reference="tfconv")
    notes = [
        f"uint8 {SIDE} x {SIDE} x 3, batches of {config.batch_size}, {config.threads} threads; "
        f"medians of {config.turns} turns",
        "ratio: images a second of tfconv, divided by the system's",
    ]
    report("Augmentation", rows, config.json, notes)
    return {"rows": rows}


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        work(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        main(tyro.cli(Config))
