"""Copies of the model beside the SavedModel, in `assets.extra/`, which servers leave alone."""

import importlib.util
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfconv.errors import InputError
from tfconv.export.checks import ExportError
from tfconv.export.graph import Serving
from tfconv.files import write_json

__all__ = ["write_copies"]

_TOLERANCE = 1e-3  # of a logit; other runtimes sum in another order

_Runner = Callable[[Path, npt.NDArray], npt.NDArray[np.float32]]


def write_copies(model: Any, preprocess: Any, folder: Path, serving: Serving, *, onnx: bool, litert: bool) -> None:
    """Write `model.keras`, `preprocess/`, `example-request.json` and, when asked, `model.onnx` and `model.tflite`.

    Raises:
        InputError: a package is missing, or Keras cannot convert this model.
        ExportError: a copy's logits differ from the live model's (ONNX: only where onnxruntime is installed).
    """
    folder.mkdir()
    model.save(folder / "model.keras")
    if hasattr(preprocess, "save"):
        preprocess.save(folder / "preprocess")
    write_json(folder / "example-request.json", {"instances": serving.instances})
    if onnx:
        if importlib.util.find_spec("tf2onnx") is None:
            raise InputError("ONNX export needs the package tf2onnx: pip install 'tfconv[onnx]'")
        _convert(model, folder / "model.onnx", "onnx", "ONNX")
        _check_onnx(folder / "model.onnx")
        if importlib.util.find_spec("onnxruntime") is not None:
            _compare(model, folder / "model.onnx", "ONNX", _onnx_logits, serving.inputs)
    if litert:
        _convert(model, folder / "model.tflite", "litert", "LiteRT")
        _compare(model, folder / "model.tflite", "LiteRT", _litert_logits, serving.inputs)


def _convert(model: Any, path: Path, form: str, name: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the converters about themselves; what they write is compared below
            model.export(str(path), format=form, verbose=False)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"Keras cannot export this model to {name}: {lines[0]}") from error
    if not path.is_file():
        raise InputError(f"Keras wrote no {name} file for this model")


def _compare(model: Any, path: Path, name: str, run: _Runner, inputs: Iterable[npt.NDArray]) -> None:
    """Ask the converted model and the live one the same."""
    for values in inputs:
        live = model(values, training=False).numpy()
        try:
            logits = run(path, values)
        except Exception as error:  # operations that only TensorFlow itself has
            raise InputError(f"the {name} runtime cannot run this model: {str(error)[:300]}") from error
        difference = float(np.abs(logits - live).max())
        if not difference <= _TOLERANCE:
            raise ExportError(f"the {name} model's logits differ from the live model's by {difference:.3g}")


def _check_onnx(path: Path) -> None:
    """Have the types of every operation checked: the converter writes some that no runtime takes."""
    import onnx

    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as error:
        raise InputError(f"the ONNX file that Keras wrote for this model is not valid: {str(error)[:300]}") from error


def _onnx_logits(path: Path, values: npt.NDArray) -> npt.NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    return session.run(None, {session.get_inputs()[0].name: values})[0]


def _litert_logits(path: Path, values: npt.NDArray) -> npt.NDArray[np.float32]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow announces that its interpreter will move to another package
        interpreter = tf.lite.Interpreter(model_path=str(path))
    (given,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(given["index"], values.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], values.astype(given["dtype"]))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
