"""Examples of the image layers and models for the contract: see contract.py."""

from typing import Any

import keras


def kernel() -> dict[str, Any]:
    return {
        "kernel_initializer": keras.initializers.RandomNormal(stddev=0.3, seed=7),
        "kernel_regularizer": keras.regularizers.L2(0.01),
    }


# Arguments that must be given, all others, the shape of one example.
LAYERS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, ...]]] = {
    "ConcatPooling2D": ({}, {}, (9, 8, 4)),
    "GhostBatchNorm": (
        {},
        {"virtual_batch_size": 3, "momentum": 0.7, "epsilon": 0.01, "center": False, "scale": False},
        (5, 6, 4),
    ),
    "ResidualBlock2D": (
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
    "WhiteningConv2D": ({}, {"kernel_size": 3, "epsilon": 0.01, "use_bias": False}, (9, 8, 2)),
}

RENAMED = {"classes": 3, "dtype": "float64", "name": "renamed"}
TINY = {"input_shape": (16, 17, 2), **RENAMED}
# All arguments, none at its default; and those to build with in place of the defaults, where the published network is
# too large to be saved and loaded in every run of the tests.
MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
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
