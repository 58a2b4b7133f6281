"""Every model has a LiteRT and an ONNX form that answers as the model itself (`write_copies` compares them)."""

import importlib.util

import contract
import numpy as np
import pytest
from small_classifiers import preprocess

from tfconv import models
from tfconv.data.image.preprocess import ImagePreprocess
from tfconv.export.formats import write_copies
from tfconv.export.graph import Serving
from tfconv.kinds.images import serving as images
from tfconv.kinds.text import serving as texts

# Fewer layers than by default, of the same kinds: the converters take as long as a graph has operations.
FEWER = {
    "CharCNN": {"kernel_sizes": (7, 3), "pool_sizes": (3, 1)},
    "DilatedTextCNN": {"dilations": (1, 2)},
    "MultiWidthTextCNN": {"kernel_sizes": (3, 4)},
    "ResNet": {"blocks": (1, 1, 1, 1)},
    "ResNetCIFAR": {"depth": 8},
    "ResidualTextCNN": {"blocks": 2},
    "WideDeepTextCNN": {"buckets": 9, "kernel_sizes": (1, 2)},
}
MODELS = [name for name in models.__all__ if isinstance(getattr(models, name), type)]


def model_and_preprocess(name):
    if name in contract.IMAGE_MODELS:
        model = getattr(models, name)(**contract.IMAGE_MODELS[name][1] | FEWER.get(name, {}))
        given = np.zeros((1, *model.input_shape[1:]), np.float32)
        prepare = ImagePreprocess(given.shape[1:3], channels=given.shape[3], mean=(0.5,), std=(0.25,))
    else:
        model = getattr(models, name)(13, **FEWER.get(name, {}))
        given, prepare = np.ones((1, 8), np.int32), preprocess()
    inputs = images.network_inputs(prepare) if name in contract.IMAGE_MODELS else texts.network_inputs(model)
    model(given)  # Keras converts what has been called
    return model, prepare, Serving(None, "text", [], None, ["good"], inputs)


@pytest.mark.parametrize("name", MODELS)
def test_copies(tmp_path, name):
    model, prepare, serving = model_and_preprocess(name)
    onnx = importlib.util.find_spec("tf2onnx") is not None  # pip install 'tfconv[onnx]'
    write_copies(model, prepare, tmp_path / "extra", serving, onnx=onnx, litert=True)
    assert (tmp_path / "extra" / "model.tflite").is_file()
    assert (tmp_path / "extra" / "model.onnx").is_file() == onnx
