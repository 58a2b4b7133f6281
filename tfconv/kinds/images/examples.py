"""The labelled images that a run was trained on, read once more, or others that it is scored on."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from tfconv.errors import InputError
from tfconv.kinds.images.options import TrainImages
from tfconv.kinds.source import DIALECT, read_options, unchanged_source

if TYPE_CHECKING:
    import tensorflow as tf

    from tfconv.data import Columns, ImageData

__all__ = ["labelled_images", "own_images"]


def labelled_images(run: Any, data: str | None) -> "tuple[tf.data.Dataset, str]":
    """Read a run's own test split, or another data set; see `Kind.labelled`.

    Returns:
        Batches (normalised images, labels by the run's class numbers), and what to call them.

    Raises:
        InputError: the data cannot be read or have changed, their images have another size, or they have a class that
            the run does not know.
    """
    from tfconv.data import ImageExamples, ImagePreparation

    if data is None:
        found, split = own_images(run)
        splits = [split]
    else:
        found, splits = _other_images(run, data)
    what = f"{found.name}, {' and '.join(splits)}" + (" split" if data is None else "")
    if unknown := sorted(set(found.class_names) - set(run.class_names)):
        raise InputError(
            f"{what} has the class {unknown[0]!r}, which the run does not know: {', '.join(run.class_names)}"
        )
    parts = [found.examples[split] for split in splits]
    names = [found.task.names_of(label, found.class_names) for part in parts for label in part.labels]
    rows = np.concatenate([np.arange(len(part)) if part.rows is None else part.rows for part in parts])
    every = ImageExamples(parts[0].store, run.task.label_array(names, run.class_names), rows)
    return ImagePreparation(batch_size=256).batches(every, run.preprocess, training=False), what


def own_images(run: Any) -> "tuple[ImageData, str]":
    """Read a run's own data set, divided as it was for training.

    Args:
        run: from `load_run`, of images.

    Returns:
        The data set, and the name of the split that the run is scored on: test, or what stands in for it.

    Raises:
        InputError: the run does not say what it was trained on, or that has changed.
    """
    from tfconv.data import image_source

    source = unchanged_source(run)
    columns, options = _options(run, "split", "size", "fit", "channels", "test", "validation", "seed")
    found = image_source(source, columns, **options)
    shape = next(iter(found.examples.values())).store.shape[1:]
    before = (*run.preprocess.size, run.preprocess.channels)
    for what, then, now in (("classes", run.class_names, found.class_names), ("shape", before, shape)):
        if tuple(then) != tuple(now):
            were, are = ", ".join(map(str, then)), ", ".join(map(str, now))
            raise InputError(f"{source} changed since training: the {what} of its images were {were}, now {are}")
    return found, next(name for name in ("test", "validation", "train") if name in found.examples)


def _options(run: Any, *more: str) -> "tuple[Columns, dict[str, Any]]":
    """How the run's own data were read."""
    return read_options(run, ("image", "label", "multi_label", "separator", "skip", *DIALECT, *more), TrainImages)


def _other_images(run: Any, data: str) -> "tuple[ImageData, list[str]]":
    from tfconv.data import image_source

    columns, options = _options(run)
    preprocess = run.preprocess
    if data == "synthetic":
        options["size"] = preprocess.size[0]
    elif data != "cifar10":  # whose images have a size of their own
        options |= {"size": preprocess.size, "fit": preprocess.fit, "channels": preprocess.channels}
    found = image_source(data, dataclasses.replace(columns, validation=0.0), **options)
    shape = next(iter(found.examples.values())).store.shape[1:]
    if shape != (*preprocess.size, preprocess.channels):
        took, there = "x".join(map(str, (*preprocess.size, preprocess.channels))), "x".join(map(str, shape))
        raise InputError(f"{data} has images of {there}, and the run takes {took}: give a data set of that size")
    return found, list(found.examples)
