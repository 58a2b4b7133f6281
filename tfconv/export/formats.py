"""Copies of the model beside the SavedModel, in `assets.extra/`, which servers leave alone."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfconv.errors import InputError
from tfconv.export.checks import ExportError
from tfconv.files import write_json

__all__ = ["write_copies"]

_LITERT_TOLERANCE = 1e-3  # of a logit; its kernels sum in another order


def write_copies(
    model: Any, preprocess: Any, folder: Path, *, samples: Sequence[str], onnx: bool, litert: bool
) -> None:
    """Write `model.keras`, `preprocess/`, `example-request.json` and, when asked, `model.onnx` and `model.tflite`.

    Raises:
        InputError: a package is missing, or Keras cannot convert this model.
        ExportError: the LiteRT model's logits differ from the live model's.
    """
    folder.mkdir()
    model.save(folder / "model.keras")
    if hasattr(preprocess, "save"):
        preprocess.save(folder / "preprocess")
    write_json(folder / "example-request.json", {"instances": list(samples)})
    if onnx:
        if importlib.util.find_spec("tf2onnx") is None:
            raise InputError("ONNX export needs the package tf2onnx: pip install 'tfconv[onnx]'")
        _convert(model, folder / "model.onnx", "onnx", "ONNX")
    if litert:
        _convert(model, folder / "model.tflite", "litert", "LiteRT")
        _check_litert(model, folder / "model.tflite")


def _convert(model: Any, path: Path, form: str, name: str) -> None:
    try:
        model.export(str(path), format=form, verbose=False)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"Keras cannot export this model to {name}: {lines[0]}") from error
    if not path.is_file():
        raise InputError(f"Keras wrote no {name} file for this model")


def _check_litert(model: Any, path: Path) -> None:
    width = model.input_shape[1] or 12
    ids = np.zeros((1, width), np.int32)
    ids[0, : width // 2 + 1] = 1
    live = model(ids, training=False).numpy()
    try:
        logits = _litert_logits(path, ids)
    except RuntimeError as error:  # operations that only TensorFlow itself has
        raise InputError(f"the LiteRT interpreter cannot run this model: {error}") from error
    difference = float(np.abs(logits - live).max())
    if not difference <= _LITERT_TOLERANCE:
        raise ExportError(f"the LiteRT model's logits differ from the live model's by {difference:.3g}")


def _litert_logits(path: Path, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow announces that its interpreter will move to another package
        interpreter = tf.lite.Interpreter(model_path=str(path))
    (given,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(given["index"], ids.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], ids.astype(given["dtype"]))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
