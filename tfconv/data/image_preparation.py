"""How the pictures of a data set become batches: the settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfconv.data.limits import check_whole
from tfconv.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

    from tfconv.data.image import ImagePreprocess
    from tfconv.data.image_examples import ImageExamples

__all__ = ["ImagePreparation"]


@dataclass(frozen=True)
class ImagePreparation:
    """Settings from picture to batch.

    Args:
        batch_size: pictures a batch.
        augment: from pictures, uint8 (batch, height, width, channels), and a seed, int32 (2,), to pictures of the same
            shape with values from 0 to 255; for training batches only, inside `Dataset.map`, before the crop. It is
            traced as it stands: Python's `if` and `for` over tensors need `tf.function` around it.
        crop: side of the square that the model meets; training pictures are cut at a place of their own, others in the
            middle. `None`: whole pictures.
        standardize: subtract each channel's mean and divide by its deviation, both of the training split; `False`:
            pixels from 0 to 1, as in `keras.layers.Rescaling(1 / 255)`.
        balanced: draw every class equally often in training, as in `tfconv.data.Preparation`.
        drop_remainder: leave out the last, smaller training batch (replicas need equal ones).
        seed: of the order of training batches and of what is done to them, together with the epoch and the step; from
            0 to 2**32 - 1.
        preprocess: of an earlier run, to go on from its model: the crop, and each channel's mean and deviation, are its
            own. The pictures must have been read in its size.

    Raises:
        InputError: a number is out of range or none, or `augment` cannot be called.
    """

    batch_size: int = 128
    augment: "Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None" = None
    crop: int | None = None
    standardize: bool = True
    balanced: bool = False
    drop_remainder: bool = False
    seed: int = 0
    preprocess: "ImagePreprocess | None" = None

    def __post_init__(self) -> None:
        if self.preprocess is not None:
            object.__setattr__(self, "crop", self.preprocess.crop)
        check_whole("batch_size", self.batch_size)
        check_whole("crop", self.crop, optional=True)
        check_whole("seed", self.seed, 0, 32)
        augment: Any = self.augment
        if augment is not None and not callable(augment):
            raise InputError(f"augment must be a function of images and seed, got {augment!r:.60}")

    def batches(self, examples: "ImageExamples", preprocess: "ImagePreprocess", *, training: bool) -> "tf.data.Dataset":
        """Batches (float32 pictures, labels): reshuffled and augmented for training, in the given order otherwise."""
        from tfconv.data.image_pipeline import image_batches

        return image_batches(
            examples,
            preprocess,
            batch_size=self.batch_size,
            seed=self.seed if training else None,
            augment=self.augment if training else None,
            balanced=self.balanced and training,
            drop_remainder=self.drop_remainder and training,
        )
