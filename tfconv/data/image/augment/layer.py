"""Augmentation as a layer, for a model that runs on a GPU."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfconv.data.image.augment.geometry import (
    random_brightness_contrast,
    random_flip,
    random_flip_translate,
    random_rotation_zoom,
    random_symmetry,
    random_translate,
)
from tfconv.data.image.augment.mix import cutout
from tfconv.data.image.augment.presets import side_on, top_down
from tfconv.errors import InputError

__all__ = ["Augmentation"]

Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
_BY_NAME: dict[str, Augment] = {
    function.__name__: function
    for function in (
        cutout,
        random_brightness_contrast,
        random_flip,
        random_flip_translate,
        random_rotation_zoom,
        random_symmetry,
        random_translate,
        side_on,
        top_down,
    )
}


@keras.saving.register_keras_serializable(package="tfconv")
class Augmentation(keras.layers.Layer):
    """Augment images at random while training; return them unchanged otherwise.

    On a CPU, give the function to the data set instead, where it runs beside the training step.

    Every call draws anew, and each replica of a `tf.distribute` strategy draws for itself. The count of calls is a
    variable of the model: `tfconv.training` resumes it; a `.keras` file starts it anew. TensorFlow's backend only.

    Args:
        augment: the name of a function of `tfconv.data.augment` that needs no further argument, such as "side_on",
            "top_down" or "random_flip_translate"; or your own function from images, float32 with values from 0 to 255,
            and an int32 seed (2,) to images of the same shape. To save the model, decorate your function with
            `keras.saving.register_keras_serializable`.
        seed: a whole number, the start of the draws; default: a random one.
        **kwargs: Of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, height, width, channels), values from 0 to 255, uint8 or of any floating type.
    Output shape: the same, of the same type.

    Raises:
        InputError: `augment` is neither such a name nor a function, or changes the images' shape; another backend.
    """

    def __init__(self, augment: str | Augment = "side_on", *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # a float16 policy must not halve the pixels' precision
        if keras.backend.backend() != "tensorflow":
            raise InputError(
                f"Augmentation needs Keras' TensorFlow backend, got {keras.backend.backend()}; "
                "apply the function in the data set instead"
            )
        if not callable(augment) and not (isinstance(augment, str) and augment in _BY_NAME):
            raise InputError(f"augment must be a function or one of {', '.join(_BY_NAME)}; got {augment!r:.60}")
        self.augment = augment
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_jit = False  # XLA has no rotation

    def call(self, images: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Return the images, changed where `training` is true."""
        if not training:
            return images
        function = self.augment if callable(self.augment) else _BY_NAME[self.augment]
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        context = tf.distribute.get_replica_context()
        if context is not None:
            seed = tf.random.fold_in(seed, context.replica_id_in_sync_group)
        # In float32 whatever the input: on a GPU TensorFlow has no gather of uint8.
        changed = function(tf.cast(images, tf.float32), seed)
        if changed.shape[1:] != images.shape[1:]:
            raise InputError(f"augment must keep the images' shape {images.shape}, got {changed.shape}")
        return tf.saturate_cast(tf.round(changed) if images.dtype.is_integer else changed, images.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        augment = keras.saving.serialize_keras_object(self.augment) if callable(self.augment) else self.augment
        return {**super().get_config(), "augment": augment, "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Augmentation":
        """Return a layer of these arguments; a function is looked up among those registered."""
        augment = config["augment"]
        if isinstance(augment, dict):
            augment = keras.saving.deserialize_keras_object(augment)
        return cls(**{**config, "augment": augment})
