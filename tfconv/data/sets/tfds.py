"""Labelled texts and images from TensorFlow Datasets (needs the extra `tfds`)."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from tfconv.data.assembly import assemble
from tfconv.data.image.dataset import ImageData
from tfconv.data.image.files import image_data
from tfconv.data.image.store import EncodedImages, Measured, check_decoding
from tfconv.data.labels import BadLabel, Label, parse_labels
from tfconv.data.rows.columns import DEFAULT_COLUMNS, Columns
from tfconv.data.rows.labelled import LabelledRow, split_name, text_problem
from tfconv.data.rows.records import missing_column, reject
from tfconv.data.text.dataset import TextData, TextExamples
from tfconv.errors import InputError
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL, Task

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["image_features", "tfds", "tfds_images"]


def image_features(features: dict[str, Any]) -> list[str]:
    """The features that are images of 8 bits a channel; floats and depth maps are stored in other ways."""
    from tensorflow_datasets.core.features import Image

    return [key for key, feature in features.items() if isinstance(feature, Image) and feature.np_dtype == np.uint8]


def tfds_images(builder: Any, image: str, splits: dict[str, int], rows: Sequence[LabelledRow]) -> EncodedImages:
    """The images of examples, one for each row.

    Args:
        builder: a prepared data set.
        image: the feature of the images.
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
    return EncodedImages(
        f"tfds {builder.info.full_name}", identity, [row.where for row in rows], measured, encoded, lambda item: item
    )


def tfds(
    name: str,
    columns: Columns = DEFAULT_COLUMNS,
    *,
    data_dir: str | Path | None = None,
    unlabelled: bool = False,
    size: int | tuple[int, int] | None = None,
    fit: Literal["crop", "stretch"] = "crop",
    channels: int | None = None,
) -> TextData | ImageData:
    """Read a data set of TensorFlow Datasets, such as `"imdb_reviews"`, `"ag_news_subset"` or `"oxford_flowers102"`.

    Args:
        name: its name, with configuration and version where wanted (`"glue/sst2:2.0.0"`).
        columns: of which `text` is the feature of the texts, by default that of the supervised pair, or the only text;
            `image` the feature of the images, by default that of the supervised pair, or the only one where there is no
            text; `label` the feature of the labels: a class label, a number or a string, or a sequence of these for any
            number of labels an example, by default that of the supervised pair, or the only class label, or the one
            called "label". `validation` and `test` (fractions of the training split) are held out where there is no
            such split; `skip` and `seed` as everywhere.
        data_dir: the folder of the prepared data; by default tfds's own choice.
        unlabelled: read the split "unsupervised" too, as "unlabelled".
        size: what images are resized to, as in `image_folder`, and so are `fit` and `channels`.
        fit: for images of another shape.
        channels: 3, or 1 for grey. By default 1 where all files are grey (not: grey in three equal channels), else 3.

    Returns:
        The classes as tfds has them, with its indices. Splits of other names are not read, and are noted in `skipped`.
        Images are decoded once and cached, as `image_folder` does it.

    Raises:
        InputError: tensorflow-datasets is not installed, no such data set, no or several features to choose from, or a
            bad example (as `tfconv.data.csv` says) and `columns.skip` is false.
    """
    decoding = check_decoding(size, fit, channels)
    builder, features = _prepared(name, data_dir)
    chosen = _chosen(name, builder, features, columns)
    if chosen.image and unlabelled:
        raise InputError(f"tfds {name} is read as images of feature {chosen.image!r}; say unlabelled=False")
    columns = replace(columns, multi_label=not chosen.task.exclusive)

    notes: list[str] = []
    rows: list[LabelledRow] = []
    read: dict[str, int] = {}
    free_texts: list[str] = []
    for split, info in builder.info.splits.items():
        part = split_name(split)
        if part:
            found = _examples(builder, split, chosen)
            for row in _rows(f"tfds {name} {split}", found, chosen, notes if columns.skip else None):
                rows.append(row._replace(number=sum(read.values()) + row.number, split=part))
            read[split] = info.num_examples
        elif split == "unsupervised" and unlabelled:
            free_texts = [str(value) for value, _ in _examples(builder, split, chosen)]
        else:
            notes.append(f"tfds {name}: split {split!r} of {info.num_examples:,} examples is not read")
    title, class_names = name.split("/")[0].split(":")[0], tuple(chosen.class_names) if chosen.class_names else None
    if chosen.image is not None:
        return image_data(
            title, rows, functools.partial(tfds_images, builder, chosen.image, read), decoding, columns,
            where=f"tfds {name}", skipped=notes, class_names=class_names,
        )  # fmt: skip
    data = assemble(rows, columns, where=f"tfds {name}", skipped=notes, class_names=class_names).text_data(title)
    if unlabelled:
        if not free_texts:
            raise InputError(f"tfds {name} has no split 'unsupervised'; say unlabelled=False")
        data.examples["unlabelled"] = TextExamples(free_texts, np.full(len(free_texts), -1, np.int32))
    return data


class _Chosen(NamedTuple):
    """The features to read: one of `text` and `image`, and `label`; and what is known of the labels."""

    text: str | None
    image: str | None
    label: str
    class_names: list[str] | None
    task: Task


def _chosen(name: str, builder: Any, features: dict[str, Any], columns: Columns) -> _Chosen:
    from tensorflow_datasets.core.features import ClassLabel

    pair = builder.info.supervised_keys or (None, None)
    text, image = _contents(name, features, columns, pair[0])
    inner = {key: getattr(feature, "feature", feature) for key, feature in features.items()}
    class_features = [key for key, feature in inner.items() if isinstance(feature, ClassLabel)]
    others = [key for key in features if key != (image or text)]
    label = columns.label
    label = label or (pair[1] if pair[1] in others else _choice(name, "label", class_features or others, "label"))
    if label not in others:
        raise InputError(f"tfds {name}: {missing_column(label, others, 'feature')}")
    names = inner[label].names if label in class_features else None
    several = inner[label] is not features[label] or len(features[label].shape) == 1
    return _Chosen(text, image, label, names, MULTI_LABEL if several else CLASSIFICATION)


def _prepared(name: str, data_dir: str | Path | None) -> tuple[Any, dict[str, Any]]:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise InputError(f"tfds {name} needs tensorflow-datasets; pip install tfconv[tfds]") from error
    try:
        builder = tensorflow_datasets.builder(name, data_dir=data_dir)
        builder.download_and_prepare()
    except Exception as error:  # tfds raises errors of every kind, of the network and of its own
        raise InputError(f"tfds {name} is unavailable ({type(error).__name__}: {str(error):.300}); check its name, or "
                         "prepare it where there is a connection and give its data_dir") from error  # fmt: skip
    features = builder.info.features
    if not hasattr(features, "items"):
        raise InputError(f"tfds {name} has no named features, so it is no data set of labelled texts; choose another")
    return builder, dict(features.items())


def _contents(
    name: str, features: dict[str, Any], columns: Columns, preferred: str | None
) -> tuple[str | None, str | None]:
    """The feature of the texts, or that of the images."""
    from tensorflow_datasets.core.features import Text

    strings = [key for key, feature in features.items() if feature.np_dtype == np.object_ and not feature.shape]
    images = image_features(features)
    text, image, label = columns.text, columns.image, columns.label
    if text and image:
        raise InputError(f"tfds {name}: text={text!r} and image={image!r} are both given; choose one")
    if image or not text and (preferred in images or images and not strings):
        image = image or _choice(name, "image", images, preferred)
        if image not in images:
            raise InputError(f"tfds {name}: {missing_column(image, images, 'image feature')}")
        return None, image
    prose = [key for key in strings if isinstance(features[key], Text) and key != label]
    text = text or _choice(name, "text", prose or [key for key in strings if key != label], preferred)
    if text not in strings:
        raise InputError(f"tfds {name}: {missing_column(text, strings, 'string feature')}")
    return text, None


def _choice(name: str, what: str, candidates: list[str], preferred: str | None) -> str:
    if preferred in candidates:
        return preferred
    if len(candidates) == 1:
        return candidates[0]
    found = f"several features that can be the {what}: {', '.join(candidates)}" if candidates else f"no {what} feature"
    raise InputError(f"tfds {name} has {found}; name the one to use with {what}=")


def _examples(builder: Any, split: str, chosen: _Chosen) -> Iterator[tuple[Any, Any]]:
    """Text and label of each example; where it is an image, "-" and its label alone, as pixels are read later."""
    import tensorflow_datasets

    text, label = chosen.text, chosen.label
    wanted = {label: True} if text is None else {text: True, label: True}
    decoders = tensorflow_datasets.decode.PartialDecoding(wanted)
    for example in tensorflow_datasets.as_numpy(builder.as_dataset(split=split, decoders=decoders)):
        value = example[text] if text else "-"
        try:
            value = value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            value = None
        yield value, example[label]


def _rows(
    what: str, examples: Iterable[tuple[Any, Any]], chosen: _Chosen, skipped: list[str] | None
) -> Iterator[LabelledRow]:
    noun = "image" if chosen.image else "text"
    for number, (value, label) in enumerate(examples, 1):
        where = f"{what} example {number}"
        problem = "not UTF-8" if value is None else text_problem(value)
        if problem:
            reject(where, problem, "mend the data set", skipped)
            continue
        try:
            yield LabelledRow(number, where, {noun: value}, _labels(label, chosen), None)
        except BadLabel as error:
            reject(where, str(error), error.remedy, skipped)


def _labels(value: Any, chosen: _Chosen) -> tuple[Label, ...]:
    names = chosen.class_names
    values = np.asarray(value).tolist()
    if names is not None:
        indices = values if isinstance(values, list) else [values]
        if any(index < 0 for index in indices):
            raise BadLabel("no label (-1)", "leave that split out")
        return tuple(names[index] for index in indices)
    if isinstance(values, list):
        return parse_labels([_string(item) for item in values], chosen.task)
    return parse_labels(_string(values), chosen.task)


def _string(value: Any) -> Any:
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError as error:
        raise BadLabel("the label is not UTF-8", "mend the data set") from error
