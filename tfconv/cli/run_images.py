"""The pictures that a run was trained on, read once more, or others that it is scored on."""

from typing import TYPE_CHECKING, Any

from tfconv.cli.train_images import TrainImages
from tfconv.cli.training_run import DIALECT, read_options, unchanged_source
from tfconv.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

    from tfconv.data import ImageData

_OPTIONS = (
    "image",
    "label",
    "split",
    "size",
    "fit",
    "channels",
    "test",
    "validation",
    "multi_label",
    "separator",
    "skip_broken",
    "seed",
    *DIALECT,
)


def own_images(run: Any) -> "tuple[ImageData, str]":
    """Read a run's own data set, divided as it was for training.

    Args:
        run: from `load_run`, of pictures.

    Returns:
        The data set, and the name of the split that the run is scored on: test, or what stands in for it.

    Raises:
        InputError: the run does not say what it was trained on, or that has changed.
    """
    from tfconv import data

    source = unchanged_source(run)
    options = read_options(run, _OPTIONS, TrainImages)
    found = data.image_source(source, **options)
    shape = next(iter(found.examples.values())).store.shape[1:]
    before = (*run.preprocess.size, run.preprocess.channels)
    for what, then, now in (("classes", run.class_names, found.class_names), ("shape", before, shape)):
        if tuple(then) != tuple(now):
            were, are = ", ".join(map(str, then)), ", ".join(map(str, now))
            raise InputError(f"{source} changed since training: the {what} of its pictures were {were}, now {are}")
    return found, next(name for name in ("test", "validation", "train") if name in found.examples)


def labelled_images(run: Any, data: str | None) -> "tuple[tf.data.Dataset, str]":
    """Read a run's own test split, or another data set.

    Args:
        run: from `load_run`, of pictures.
        data: a data set like the one it was trained on; all its splits count. `None`: the run's own test split.

    Returns:
        Batches (normalised pictures, labels by the run's class numbers), and what to call them.

    Raises:
        InputError: the data cannot be read or have changed, their pictures have another size, or they have a class that
            the run does not know.
    """
    import numpy as np

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
    labels = np.concatenate([part.labels for part in parts])
    place = np.array([run.class_names.index(name) for name in found.class_names])
    if run.multi_label:
        wide = np.zeros((len(labels), len(run.class_names)), np.float32)
        wide[:, place] = labels
    rows = np.concatenate([np.arange(len(part)) if part.rows is None else part.rows for part in parts])
    every = ImageExamples(parts[0].store, wide if run.multi_label else place[labels].astype(np.int32), rows)
    return ImagePreparation(batch_size=256).batches(every, run.preprocess, training=False), what


def _other_images(run: Any, data: str) -> "tuple[ImageData, list[str]]":
    from tfconv.data import image_source

    kept = ("image", "label", "multi_label", "separator", "skip_broken", *DIALECT)
    options = read_options(run, kept, TrainImages)
    preprocess = run.preprocess
    if data == "synthetic":
        options["size"] = preprocess.size[0]
    elif data != "cifar10":  # whose pictures have a size of their own
        options |= {"size": preprocess.size, "fit": preprocess.fit, "channels": preprocess.channels}
    found = image_source(data, validation=0.0, **options)
    shape = next(iter(found.examples.values())).store.shape[1:]
    if shape != (*preprocess.size, preprocess.channels):
        took, there = "x".join(map(str, (*preprocess.size, preprocess.channels))), "x".join(map(str, shape))
        raise InputError(f"{data} has pictures of {there}, and the run takes {took}: give a data set of that size")
    return found, list(found.examples)
