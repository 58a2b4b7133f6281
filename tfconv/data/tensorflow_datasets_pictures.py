"""The pictures of a data set of TensorFlow Datasets, as they are stored: encoded."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfconv.data.decoded_pictures import Measured, Pictures
from tfconv.data.row_readers import LabelledRow

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["image_features", "tfds_pictures"]


def image_features(features: dict[str, Any]) -> list[str]:
    """The features that are pictures of 8 bits a channel; floats and depth maps are stored in ways of their own."""
    from tensorflow_datasets.core.features import Image

    return [key for key, feature in features.items() if isinstance(feature, Image) and feature.np_dtype == np.uint8]


def tfds_pictures(builder: Any, image: str, splits: dict[str, int], rows: Sequence[LabelledRow]) -> Pictures:
    """The pictures of the examples that `rows` stand for.

    Args:
        builder: a prepared data set.
        image: the feature of the pictures.
        splits: the splits that were read, in order, and how many examples each has.
        rows: their `number` counts the examples of all splits, from 1.
    """
    numbers = np.array([row.number - 1 for row in rows], np.int64)

    def measured() -> Measured:
        height, width, channels = builder.info.features[image].shape
        return Measured((height, width) if height and width else None, 1 if channels == 1 else 3, {})

    def encoded(indices: np.ndarray) -> "tf.data.Dataset":
        import tensorflow_datasets

        places = np.full(sum(splits.values()), -1, np.int64)
        places[numbers[indices]] = indices
        decoders = tensorflow_datasets.decode.PartialDecoding(
            {image: True}, decoders={image: tensorflow_datasets.decode.SkipDecoding()}
        )
        parts = [builder.as_dataset(split=split, decoders=decoders) for split in splits]
        dataset = parts[0]
        for part in parts[1:]:
            dataset = dataset.concatenate(part)
        dataset = dataset.enumerate().map(lambda number, example: (tf_gather(places, number), example[image]))
        return dataset.filter(lambda index, _: index >= 0)

    def tf_gather(places: np.ndarray, number: "tf.Tensor") -> "tf.Tensor":
        import tensorflow as tf

        return tf.gather(places, number)

    identity = f"{builder.data_path} {image} {splits}".encode() + numbers.tobytes()
    return Pictures(
        f"tfds {builder.info.full_name}", identity, [row.where for row in rows], measured, encoded, lambda item: item
    )
