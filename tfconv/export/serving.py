"""Export a text classifier for TensorFlow Serving: written aside, checked on reload, then published by a rename."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfconv.errors import InputError
from tfconv.evaluation.metrics import probabilities
from tfconv.evaluation.prediction import SEPARATOR, check_outputs, padded_width
from tfconv.export.checks import check_saved_model
from tfconv.export.formats import write_copies
from tfconv.export.graph import LABELS_FILE, ServedTextClassifier, file_backed
from tfconv.export.versions import new_version, remove_old_versions

__all__ = ["export_serving"]

_EXAMPLES = ("I really liked the movie!", "Hated every second of it...")
_SAMPLES = (
    *(text.encode() for text in _EXAMPLES),
    b"",
    b" \t\r\n",
    b"word " * 5000,
    "Ça c'est «déjà vu»: ταινία, фильм, 映画, फिल्म, فيلم".encode(),
    "🙂🎬👍🏽 :-) <3 ?!... don't <br /><br />can't".encode(),
    b"broken \xff\xfe UTF-8 \xc3( and a NUL \x00 inside",
    b"x" * 20_000,
)
_TOLERANCE = 1e-5
_HALF_TOLERANCE = 2e-2  # float16 and bfloat16 have 3 and 2 decimal digits, and graphs round elsewhere


def export_serving(
    model: Any,
    preprocess: Any,
    directory: str | Path,
    *,
    class_names: Sequence[str] | None = None,
    multi_label: bool | None = None,
    keep: int | None = 3,
    onnx: bool = False,
    litert: bool = False,
    separator: str = SEPARATOR,
    samples: Sequence[str] = (),
) -> Path:
    """Write the next version of a served text classifier.

    The SavedModel takes raw strings; tokeniser, vocabulary, padding and model are in its graph. Signatures:

    - `serving_default`: `text` string (n,) to `probabilities` float32 (n, C), `label` string (n,), `score` float32
      (n,), the probability of the label. With `multi_label`, `label` joins the labels over 0.5 ("" when there is none)
      and `score` is the highest probability of any label.
    - `classify`: `inputs`, serialised `tf.train.Example`s with a feature `text`, to `classes` string (n, C) and
      `scores` float32 (n, C): the classify call of TensorFlow Serving.

    Before anything is published, both loaders of TensorFlow run the files on sample texts (empty, very long, in many
    scripts, broken UTF-8, words of the vocabulary), against the live model asked about one text at a time: so an
    answer cannot depend on its neighbours in a batch. Also published: `assets/labels.txt`, `assets/vocabulary.txt`,
    and in `assets.extra/` (ignored by servers) `model.keras`, `preprocess/`, `example-request.json`.

    Args:
        model: Keras model from int32 ids (n, steps) to logits (n, 1) or (n, C).
        preprocess: strings to ids: `tfconv.data.TextPreprocess`, or any callable `tf.Module`.
        directory: the model's folder, `saved_models/<name>`; the version becomes `directory/<N>`.
        class_names: C names in the order of the outputs; default `preprocess.class_names`.
        multi_label: each class is a yes or no of its own; default `preprocess.multi_label`.
        keep: versions to keep, this one included; `None`: all. Only numbered SavedModels below this one are removed.
        onnx: also `assets.extra/model.onnx`, ids to logits; needs the package tf2onnx.
        litert: also `assets.extra/model.tflite`, ids to logits.
        separator: between the labels of one text, with `multi_label`.
        samples: more texts to compare on.

    Returns:
        The folder of the new version.

    Raises:
        InputError: names that do not fit the model, `keep` below 1, `directory` a file, a format that is not to be had.
        ExportError: a check failed. Nothing is published then, and nothing removed.
    """
    names = tuple(getattr(preprocess, "class_names", ()) if class_names is None else class_names)
    several = bool(getattr(preprocess, "multi_label", False) if multi_label is None else multi_label)
    _check_names(names, separator if several else None)
    check_outputs(model, names, multi_label=several)
    if keep is not None and keep < 1:
        raise InputError(f"keep must be 1 or more, or None for all versions, got {keep}")
    texts = [*_SAMPLES, *(text.encode("utf-8", "surrogateescape") for text in samples), *_vocabulary_texts(preprocess)]
    half = any(getattr(layer, "compute_dtype", "") in ("float16", "bfloat16") for layer in model._flatten_layers())
    # On a GPU, TensorFloat-32 would differ from itself in the fifth digit between the two loaders.
    with tf.device("CPU:0"), new_version(directory) as version:
        live = _live_probabilities(model, preprocess, texts, multi_label=several)
        with tempfile.TemporaryDirectory() as temporary:
            assets = Path(temporary)
            (assets / LABELS_FILE).write_text("".join(f"{name}\n" for name in names), "utf-8")
            module = ServedTextClassifier(
                model,
                file_backed(preprocess, assets),
                names,
                multi_label=several,
                separator=separator,
                assets=assets,
            )
            options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
            tf.saved_model.save(module, str(version.folder), signatures=module.signatures(), options=options)
        check_saved_model(
            version.folder,
            texts,
            live,
            names,
            multi_label=several,
            separator=separator,
            tolerance=_HALF_TOLERANCE if half else _TOLERANCE,
        )
        write_copies(
            model,
            preprocess,
            version.folder / "assets.extra",
            samples=list(samples)[:2] or _EXAMPLES,
            onnx=onnx,
            litert=litert,
        )
    if keep is not None:
        remove_old_versions(directory, keep, below=int(version.folder.name))
    return version.folder


def _live_probabilities(
    model: Any, preprocess: Any, texts: Sequence[bytes], *, multi_label: bool
) -> npt.NDArray[np.float32]:
    """Ask the model itself about one text at a time, and turn logits into probabilities in NumPy."""
    least, exact = padded_width(model, preprocess)
    rows = []
    for text in texts:
        ids = preprocess(tf.constant([text])).numpy()
        ids = np.pad(ids, [(0, 0), (0, max(least - ids.shape[1], 0))])[:, : least if exact else None]
        logits = np.asarray(model(ids, training=False), np.float32)
        if not np.isfinite(logits).all():
            raise InputError(
                f"the model's answer to the text {text[:40]!r} is not finite: a server would meet it too"
                + ("" if ids.any() else " (a mean over no token at all? let each text begin with a start mark)")
            )
        rows.append(logits)
    return probabilities(np.concatenate(rows), multi_label=multi_label)


def _vocabulary_texts(preprocess: Any) -> list[bytes]:
    """Return texts of the first and the last words of the vocabulary, so that a shifted table is found out."""
    tokens = list(getattr(getattr(preprocess, "vocabulary", None), "tokens", ()))[3:]
    words = tokens[:100] + tokens[100:][-100:]
    return [" ".join(words[start : start + 20]).encode() for start in range(0, len(words), 20)]


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
