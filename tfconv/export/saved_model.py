"""Export a classifier for TensorFlow Serving: written aside, checked on reload, then published by a rename."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfconv import kinds, tasks
from tfconv.errors import InputError
from tfconv.evaluation.metrics import probabilities
from tfconv.evaluation.prediction import SEPARATOR
from tfconv.evaluation.probability import check_outputs
from tfconv.export.checks import check_saved_model
from tfconv.export.formats import write_copies
from tfconv.export.graph import LABELS_FILE
from tfconv.export.versions import new_version, remove_old_versions
from tfconv.tasks import CLASSIFICATION, Task

__all__ = ["export_serving"]

_TOLERANCE = 1e-5
_HALF_TOLERANCE = 2e-2  # float16 and bfloat16 have 3 and 2 decimal digits, and graphs round elsewhere


def export_serving(
    model: Any,
    preprocess: Any,
    directory: str | Path,
    *,
    class_names: Sequence[str] | None = None,
    task: Task | str | None = None,
    keep: int | None = 3,
    onnx: bool = False,
    litert: bool = False,
    separator: str = SEPARATOR,
    samples: Sequence[str] | Sequence[bytes] = (),
) -> Path:
    """Write the next version of a served text or image classifier.

    The SavedModel takes raw examples; all between them and the labels is in its graph. Signatures:

    - `serving_default`: `text` string (n,), or `image` string (n,), encoded images (JPEG, PNG, BMP, GIF) of any size,
      to `probabilities` float32 (n, C), `label` string (n,), `score` float32 (n,), the probability of the label. Of
      several labels, `label` joins the labels over 0.5 ("" when there is none) and `score` is the highest probability
      of any label. Bytes that are no image, or one of too many pixels, are an error that names their position.
    - `pixels`, of an image classifier: `pixels` uint8 (n, h, w, channels), any h and w, to the same.
    - `classify`: `inputs`, serialised `tf.train.Example`s with a bytes feature `text` or `image`, to `classes` string
      (n, C) and `scores` float32 (n, C): the classify call of TensorFlow Serving.

    Before anything is published, both loaders of TensorFlow run the files on sample texts (empty, very long, in many
    scripts, broken UTF-8, words of the vocabulary) or images (of every format, grey, with alpha, of one pixel),
    against the live model asked about one at a time: so an answer cannot depend on its neighbours in a batch. Also
    published: `assets/labels.txt`, for texts `assets/vocabulary.txt`, and in `assets.extra/` (ignored by servers)
    `model.keras`, `preprocess/`, `example-request.json`.

    Args:
        model: Keras model to logits (n, 1) or (n, C), from int32 ids (n, steps) or from normalised float32 images
            (n, height, width, channels).
        preprocess: strings to ids: `tfconv.data.TextPreprocess`, or any callable `tf.Module`; images:
            `tfconv.data.ImagePreprocess`.
        directory: the model's folder, `saved_models/<name>`; the version becomes `directory/<N>`.
        class_names: C names in the order of the outputs; default `preprocess.class_names`.
        task: "classification" or "multi-label"; default `preprocess.task`.
        keep: versions to keep, this one included; `None`: all. Only numbered SavedModels below this one are removed.
        onnx: also `assets.extra/model.onnx`, the model itself, to logits; needs the package tf2onnx.
        litert: also `assets.extra/model.tflite`, the model itself, to logits.
        separator: between the labels of one example.
        samples: more texts, or bytes of images, to compare on.

    Returns:
        The folder of the new version.

    Raises:
        InputError: names or a preprocessing that do not fit the model, `keep` below 1, `directory` a file, a format
            that is unavailable.
        ExportError: a check failed. Nothing is published then, and nothing removed.
    """
    names = tuple(getattr(preprocess, "class_names", ()) if class_names is None else class_names)
    task = tasks.get(getattr(preprocess, "task", CLASSIFICATION) if task is None else task)
    _check_names(names, None if task.exclusive else separator)
    check_outputs(model, names, task=task)
    if keep is not None and keep < 1:
        raise InputError(f"keep must be 1 or more, or None for all versions, got {keep}")
    half = any(getattr(layer, "compute_dtype", "") in ("float16", "bfloat16") for layer in model._flatten_layers())
    # On a GPU, TensorFloat-32 would differ from itself in the fifth digit between the two loaders.
    with tf.device("CPU:0"), new_version(directory) as version:
        serving = kinds.of_preprocess(preprocess).serving(model, preprocess, samples)
        live = probabilities(serving.logits, task=task)
        with tempfile.TemporaryDirectory() as temporary:
            assets = Path(temporary)
            (assets / LABELS_FILE).write_text("".join(f"{name}\n" for name in names), "utf-8")
            module = serving.module(names, task, separator, assets)
            options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
            tf.saved_model.save(module, str(version.folder), signatures=module.signatures(), options=options)
        check_saved_model(
            version.folder,
            serving.examples,
            live,
            names,
            task=task,
            separator=separator,
            tolerance=_HALF_TOLERANCE if half else _TOLERANCE,
            feature=serving.feature,
            arrays=serving.arrays,
        )
        write_copies(model, preprocess, version.folder / "assets.extra", serving, onnx=onnx, litert=litert)
    if keep is not None:
        remove_old_versions(directory, keep, below=int(version.folder.name))
    return version.folder


def _check_names(names: tuple[str, ...], separator: str | None) -> None:
    if not names:
        raise InputError("class_names is empty: give the names in the order of the model's outputs")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two classes have the name {name!r}")
        if "\n" in name or "\r" in name:
            raise InputError(f"the class name {name!r} has a line break, which labels.txt cannot hold")
        if separator is not None and separator in name:
            raise InputError(f"the label {name!r} contains {separator!r}, which joins labels: give another separator")
