"""An example of every exported layer and model for the contract test; run as a script it is the fresh process.

An example names every argument of a constructor, none at its default.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfconv import layers, models

VOCABULARY = 12


@dataclass(frozen=True)
class Example:
    """How to make a layer or a model, and what to call it with."""

    required: dict[str, Any]
    others: dict[str, Any]
    shape: tuple[int, ...] = (9, 5)  # of one input; one number: token ids; overridden by an argument input_shape
    small: dict[str, Any] = field(default_factory=dict)  # in place of defaults too large to save here


def kernel() -> dict[str, Any]:
    """Return an initializer and a regularizer of kernels."""
    return {
        "kernel_initializer": keras.initializers.RandomNormal(stddev=0.3, seed=7),
        "kernel_regularizer": keras.regularizers.L2(0.01),
    }


CONVOLUTION = {
    "strides": 2,
    "padding": "valid",
    "groups": 2,
    "normalization": "layer",
    "activation": "elu",
    "order": "norm-act-conv",
    "use_bias": False,
    **kernel(),
}
RENAMED = {"classes": 3, "dtype": "float64", "name": "renamed"}
TEXT_MODEL = {**RENAMED, "length": 6}
EMBEDDED = {**TEXT_MODEL, "embedding_dim": 7, "embedding_trainable": False}
LAYERS = {
    "BatchNorm": Example(
        {},
        {
            "momentum": 0.7,
            "epsilon": 0.01,
            "center": False,
            "scale": False,
            "beta_initializer": keras.initializers.RandomNormal(stddev=0.3, seed=7),
            "gamma_initializer": keras.initializers.RandomNormal(stddev=0.3, seed=7),
            "beta_regularizer": keras.regularizers.L1(0.02),
            "gamma_regularizer": keras.regularizers.L2(0.03),
            "synchronized": False,
        },
    ),
    "BagOfWordsDense": Example({"vocabulary_size": VOCABULARY, "units": 3}, kernel(), (9,)),
    "ConvMaxPooling1D": Example(
        {"filters": 6, "kernel_size": 3},
        {
            "padding": "valid",
            "activation": "elu",
            "bias_initializer": keras.initializers.RandomNormal(stddev=0.3, seed=7),
            "bias_regularizer": keras.regularizers.L1(0.02),
            "kernel_constraint": keras.constraints.MaxNorm(3.0),
            "bias_constraint": keras.constraints.MaxNorm(4.0),
            "use_bias": False,
            **kernel(),
        },
    ),
    # Keras refuses strides together with dilation, hence one of them under its default in each dimension.
    "ConvNormAct1D": Example({"filters": 6, "kernel_size": 3}, {**CONVOLUTION, "dilation_rate": (1,)}, (9, 4)),
    "ConvNormAct2D": Example(
        {"filters": 6, "kernel_size": 3}, {**CONVOLUTION, "strides": (1, 1), "dilation_rate": (1, 2)}, (9, 8, 4)
    ),
    "DilatedConv1DStack": Example(
        {"filters": 5},
        {
            "kernel_size": 2,
            "dilations": [1, 3],
            "padding": "same",
            "normalization": "batch",
            "activation": "elu",
            "residual": False,
            "dropout": 0.4,
            **kernel(),
        },
    ),
    "DistinctTokens": Example({}, {}, (9,)),
    "EmbeddingConvMaxPooling1D": Example(
        {"input_dim": VOCABULARY, "output_dim": 5, "filters": 4},
        {
            "kernel_sizes": [2, 3],
            "padding": "valid",
            "activation": "elu",
            "use_bias": False,
            "mask_zero": False,
            "embeddings_trainable": False,
            "embeddings_initializer": keras.initializers.RandomNormal(stddev=0.3, seed=7),
            "embeddings_regularizer": keras.regularizers.L2(0.03),
            "bias_initializer": keras.initializers.RandomNormal(stddev=0.3, seed=7),
            "bias_regularizer": keras.regularizers.L1(0.02),
            **kernel(),
        },
        (9,),
    ),
    "FixedLength": Example({"length": 4}, {"pad": False}, (9,)),
    "KMaxPooling1D": Example({"k": 3}, {}),
    "MaskedGlobalAveragePooling1D": Example({}, {"mode": "sum"}),
    "MaskedGlobalMaxPooling1D": Example({}, {}),
    "MaskedMaxPooling1D": Example({"pool_size": 3}, {"strides": 2}),
    "OneHotConv1D": Example(
        {"input_dim": VOCABULARY, "filters": 4},
        {
            "kernel_size": 2,
            "blocks": 2,
            "first": 1,
            "activation": "elu",
            "kernel_initializer": keras.initializers.RandomNormal(stddev=0.3, seed=7),
            "kernel_regularizer": keras.regularizers.L2(0.02),
        },
        (9,),
    ),
    "OneHotTokens": Example({"vocabulary_size": VOCABULARY}, {"first": 1, "mask_zero": False}, (9,)),
    "IdRange": Example({"first": 3}, {"end": 9}, (9,)),
    "LogitBlend": Example({}, {}),
    "NGramDense": Example({"buckets": VOCABULARY, "units": 3}, {"normalize": False, **kernel()}, (9,)),
    "ResidualBlock1D": Example(
        {"filters": 6},
        {
            "kernel_size": 2,
            "strides": 2,
            "normalization": "layer",
            "activation": "elu",
            "order": "norm-act-conv",
            **kernel(),
        },
    ),
    "ResponseNormalization": Example({}, {}),
    "ConcatPooling2D": Example({}, {}, (9, 8, 4)),
    "GhostBatchNorm": Example(
        {},
        {"virtual_batch_size": 3, "momentum": 0.7, "epsilon": 0.01, "center": False, "scale": False},
        (5, 6, 4),
    ),
    "ResidualBlock2D": Example(
        {"filters": 8},
        {
            "kernel_size": 5,
            "strides": 2,
            "bottleneck": True,
            "shortcut": "padding",
            "normalization": "layer",
            "activation": "elu",
            "order": "norm-act-conv",
            **kernel(),
        },
        (9, 8, 4),
    ),
    "WhiteningConv2D": Example({}, {"kernel_size": 3, "epsilon": 0.01, "use_bias": False}, (9, 8, 2)),
}
TEXT_MODELS = {
    "BagOfWordsLinear": {**TEXT_MODEL, "mode": "binary"},
    "BagOfWordsMLP": {**EMBEDDED, "hidden_units": 9, "activation": "elu", "dropout": 0.3},
    "CharCNN": {
        **EMBEDDED,
        "filters": 8,
        "kernel_sizes": [2, 3],
        "pool_sizes": [2, 1],
        "normalization": "layer",
        "activation": "elu",
        "flatten": True,
        "hidden_units": [9, 8],
        "dropout": 0.3,
        "kernel_initializer": {"class_name": "RandomNormal", "config": {"stddev": 0.3, "seed": 7}},
    },
    "DilatedTextCNN": {
        **EMBEDDED,
        "embedding_dropout": 0.3,
        "filters": 8,
        "kernel_size": 2,
        "dilations": [1, 3],
        "padding": "causal",
        "normalization": "layer",
        "activation": "elu",
        "convolution_dropout": 0.2,
        "dropout": 0.3,
    },
    "MultiWidthTextCNN": {
        **EMBEDDED,
        "embedding_initializer": {"class_name": "RandomNormal", "config": {"stddev": 0.3, "seed": 7}},
        "embedding_dropout": 0.3,
        "kernel_sizes": [2, 3],
        "filters": 8,
        "padding": "valid",
        "activation": "elu",
        "hidden_units": 9,
        "dropout": 0.3,
        "max_norm": 2.0,
    },
    "ResidualTextCNN": {
        **EMBEDDED,
        "embedding_dropout": 0.3,
        "filters": 8,
        "kernel_size": 2,
        "blocks": 2,
        "normalization": "layer",
        "activation": "elu",
        "dropout": 0.3,
    },
    "TextCNN": {
        **EMBEDDED,
        "embedding_dropout": 0.3,
        "filters": 8,
        "kernel_size": 2,
        "padding": "valid",
        "activation": "elu",
        "hidden_units": None,
        "dropout": 0.3,
    },
}
TINY = {"input_shape": (16, 17, 2), **RENAMED}
# All arguments, none at its default; and those that replace the defaults where the published network is too large to
# save and load in each run of the tests.
IMAGE_MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "AlexNet": (
        {**TINY, "input_shape": (64, 63, 2), "widths": [4, 5, 6, 7, 8], "hidden_units": [9], "dropout": 0.3},
        {"input_shape": (63, 63, 3), "widths": (4, 6, 8, 6, 6), "hidden_units": (16, 16)},
    ),
    "AllConvNet": (
        {**TINY, "width": 4, "normalization": "batch", "input_dropout": 0.1, "dropout": 0.3},
        {"width": 8},
    ),
    "ConvBatchNormNet": ({**TINY, "widths": [4, 5, 6], "deep": True}, {}),
    "ConvNet": ({**TINY, "widths": [4, 5], "activation": "elu"}, {}),
    "LessonResNet": ({**TINY, "widths": [4, 5], "stem_kernel_size": 3, "dropout": 0.3}, {"widths": (8, 16)}),
    "MiniAlexNet": (
        {
            **TINY,
            "input_shape": (28, 27, 2),
            "widths": [4, 5, 6, 7, 8],
            "hidden_units": [9],
            "normalization": "batch",
            "activation": "elu",
            "dropout": 0.3,
        },
        {"widths": (4, 8, 8, 8, 8), "hidden_units": (16, 16)},
    ),
    "ResNet": (
        {
            **TINY,
            "input_shape": (32, 33, 2),
            "blocks": [1, 2],
            "widths": [8, 12],
            "stem_filters": 4,
            "bottleneck": True,
        },
        {"input_shape": (64, 64, 3), "widths": (4, 8, 12, 16), "stem_filters": 4},
    ),
    "ResNetCIFAR": (
        {**TINY, "depth": 8, "widths": [4, 5, 6], "shortcut": "projection", "order": "norm-act-conv"},
        {"depth": 14, "widths": (4, 8, 16)},
    ),
    "SimpleNet": ({**TINY, "hidden_units": [9, 8], "activation": "elu", "dropout": 0.3}, {}),
    "ThreeConvNet": ({**TINY, "widths": [4, 5], "activation": "elu", "dropout": 0.3}, {}),
    "VGG16": (
        {
            **TINY,
            "input_shape": (33, 32, 2),
            "widths": [4, 5, 6, 7, 8],
            "hidden_units": [9],
            "normalization": "batch",
            "dropout": 0.3,
        },
        {"input_shape": (32, 32, 3), "widths": (4, 8, 8, 8, 8), "hidden_units": (16, 16)},
    ),
    "WhitenedResNet": (
        {
            **TINY,
            "widths": [4, 5],
            "residual": False,
            "activation": "elu",
            "pooling": "concat",
            "momentum": 0.7,
            "head_scale": 0.5,
        },
        {"widths": (8, 8, 8)},
    ),
}
EXAMPLES: dict[str, Example] = {
    **LAYERS,
    **{name: Example({}, others, (32, 32, 3), small) for name, (others, small) in IMAGE_MODELS.items()},
    **{name: Example({"vocabulary_size": VOCABULARY}, others, (9,)) for name, others in TEXT_MODELS.items()},
    "WideDeepTextCNN": Example(
        {"vocabulary_size": 7, "buckets": VOCABULARY - 6},
        {**RENAMED, "filters": 4, "kernel_sizes": [2], "dropout": 0.3},
        (9,),
        {"filters": 5},
    ),
    "NGramLinear": Example({"buckets": VOCABULARY}, {**RENAMED, "normalize": False}, (9,)),
}
CLASSES: dict[str, type[keras.layers.Layer]] = {
    name: item
    for package in (layers, models)
    for name in package.__all__
    if isinstance(item := getattr(package, name), type) and issubclass(item, keras.layers.Layer)
}


def inputs(name: str, which: str) -> np.ndarray:
    """Return a batch for a variant: random numbers, or token ids with padding and one row of padding only."""
    rng = np.random.default_rng(0)
    shape = saved_variants(name)[which].get("input_shape", EXAMPLES[name].shape)
    if len(shape) > 1:
        return rng.normal(size=(8, *shape)).astype("float32")
    ids = rng.integers(1, VOCABULARY, (8, *shape)).astype("int32")
    ids[1, 1:], ids[2, 3:], ids[3] = 0, 0, 0
    return ids


def saved_variants(name: str) -> dict[str, dict[str, Any]]:
    """Return the arguments a layer or model is saved with: its defaults, no default, half precision."""
    example = EXAMPLES[name]
    return {
        "defaults": {**example.required, **example.small},
        "others": {**example.required, **example.others},
        "mixed": {**example.required, **example.small, "dtype": "mixed_float16"},
    }


def as_model(name: str, arguments: dict[str, Any]) -> keras.Model:
    """Return a model of this name, or one of this layer alone, after an `Embedding` or a `Masking` for its mask."""
    item = CLASSES[name](**arguments)
    if isinstance(item, keras.Model):
        return item
    shape = EXAMPLES[name].shape
    x = given = keras.Input(shape, dtype="int32" if len(shape) == 1 else "float32")
    if len(shape) == 2:
        x = keras.layers.Masking()(x)
    return keras.Model(given, item(x))


def answer(directory: Path) -> None:
    """Load every model of a directory and write its outputs to NAME.BACKEND.npy."""
    for path in sorted(directory.glob("*.keras")):
        output = keras.models.load_model(path)(inputs(*path.stem.split("-")), training=False)
        np.save(directory / f"{path.stem}.{keras.backend.backend()}.npy", keras.ops.convert_to_numpy(output))


if __name__ == "__main__":
    answer(Path(sys.argv[1]))
