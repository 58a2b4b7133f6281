"""tfconv.data.augment: random changes to whole batches of images, drawn anew for each image.

    images = augment.random_flip_translate(images, seed=(3, 7), pixels=4)

Every function takes images (batch, height, width, channels), uint8 or float32, with values from 0 to 255, and a seed
of two whole numbers, and returns images of the same type. It depends on nothing else: the same seed gives the same
result, eagerly, in `Dataset.map`, and in a `tf.function` whose batch size is unknown. Image i has its own draw, which
does not depend on the other images; `mixup` and `cutmix` blend it with another one, `mixed` does so with the batches
of a training set.

Different functions make independent draws of one seed; the same function needs a new seed for each batch. A training
set from `tfconv.data` gives one to its `augment` function; elsewhere, count the batches:

    dataset.enumerate().map(lambda step, batch: (augment.side_on(batch[0], tf.stack([7, step])), batch[1]))
"""

from tfconv.data.image.augment.geometry import (
    random_brightness_contrast,
    random_crop,
    random_flip,
    random_flip_translate,
    random_rotation_zoom,
    random_symmetry,
    random_translate,
)
from tfconv.data.image.augment.layer import Augmentation
from tfconv.data.image.augment.mix import cutmix, cutout, mixed, mixup
from tfconv.data.image.augment.presets import side_on, top_down

__all__ = [
    "Augmentation",
    "cutmix",
    "cutout",
    "mixed",
    "mixup",
    "random_brightness_contrast",
    "random_crop",
    "random_flip",
    "random_flip_translate",
    "random_rotation_zoom",
    "random_symmetry",
    "random_translate",
    "side_on",
    "top_down",
]
