"""Every model has a LiteRT and an ONNX form that answers as the model itself (`write_copies` compares them)."""

import importlib.util

import contract
import numpy as np
import pytest
from small_classifiers import preprocess

from tfconv import models
from tfconv.data.image.preprocess import ImagePreprocess
from tfconv.export.formats import write_copies

MODELS = [name for name in models.__all__ if isinstance(getattr(models, name), type)]


def model_and_preprocess(name):
    if name in contract.IMAGE_MODELS:
        model = getattr(models, name)(**contract.IMAGE_MODELS[name][1])
        given = np.zeros((1, *model.input_shape[1:]), np.float32)
        prepare = ImagePreprocess(given.shape[1:3], channels=given.shape[3], mean=(0.5,), std=(0.25,))
    else:
        model, given, prepare = getattr(models, name)(13), np.ones((1, 8), np.int32), preprocess()
    model(given)  # Keras converts what has been called
    return model, prepare


@pytest.mark.parametrize("name", MODELS)
def test_copies(tmp_path, name):
    model, prepare = model_and_preprocess(name)
    onnx = importlib.util.find_spec("tf2onnx") is not None  # pip install 'tfconv[onnx]'
    write_copies(model, prepare, tmp_path / "extra", instances=["good"], onnx=onnx, litert=True)
    assert (tmp_path / "extra" / "model.tflite").is_file()
    assert (tmp_path / "extra" / "model.onnx").is_file() == onnx
