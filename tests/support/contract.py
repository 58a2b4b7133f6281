"""What every exported layer and model must keep, with an example of each; run as a script it is the fresh process.

An example names every argument of a constructor, none at its default.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import contract_images
import keras
import numpy as np
from contract_images import kernel

from tfconv import layers, models

VOCABULARY = 12


@dataclass(frozen=True)
class Example:
    """How to make a layer or a model, and what to call it with."""

    required: dict[str, Any]
    others: dict[str, Any]
    shape: tuple[int, ...] = (9, 5)  # of one example; one number: token ids; its own where an argument says it
    small: dict[str, Any] = field(default_factory=dict)  # in place of defaults that are too large to be saved here


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
TEXT_MODEL = {"classes": 3, "length": 6, "dtype": "float64", "name": "renamed"}
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
    "OneHotTokens": Example({"vocabulary_size": VOCABULARY}, {"first": 1, "mask_zero": False}, (9,)),
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
}
MODELS = {
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
EXAMPLES: dict[str, Example] = {
    **LAYERS,
    **{name: Example(*example) for name, example in contract_images.LAYERS.items()},
    **{name: Example({}, others, (32, 32, 3), small) for name, (others, small) in contract_images.MODELS.items()},
    **{name: Example({"vocabulary_size": VOCABULARY}, others, (9,)) for name, others in MODELS.items()},
}
CLASSES: dict[str, type[keras.layers.Layer]] = {
    name: item
    for package in (layers, models)
    for name in package.__all__
    if isinstance(item := getattr(package, name), type) and issubclass(item, keras.layers.Layer)
}


def inputs(name: str, which: str) -> np.ndarray:
    """Return a batch for a variant: numbers, or token ids with padding and a row of nothing else."""
    rng = np.random.default_rng(0)
    shape = saved_variants(name)[which].get("input_shape", EXAMPLES[name].shape)
    if len(shape) > 1:
        return rng.normal(size=(8, *shape)).astype("float32")
    ids = rng.integers(1, VOCABULARY, (8, *shape)).astype("int32")
    ids[1, 1:], ids[2, 3:], ids[3] = 0, 0, 0
    return ids


def saved_variants(name: str) -> dict[str, dict[str, Any]]:
    """Return the arguments under which a layer or model is saved: its defaults, none of them, half precision."""
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
    """Load every model of a directory and write what each makes of its input, as NAME.answer.npy."""
    for path in sorted(directory.glob("*.keras")):
        output = keras.models.load_model(path)(inputs(*path.stem.split("-")), training=False)
        np.save(directory / f"{path.stem}.{keras.backend.backend()}.npy", keras.ops.convert_to_numpy(output))


if __name__ == "__main__":
    answer(Path(sys.argv[1]))
