"""The table of a model's layers against gradients: which pixels change an output, found by asking TensorFlow."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from tfconv import geometry, models
from tfconv.errors import InputError
from tfconv.layers import ConvNormAct1D, ConvNormAct2D, ResidualBlock1D, ResidualBlock2D, WhiteningConv2D


def seen_pixels(model, name, place):
    """Return, for each axis, the first and last input position that the output of a layer at a place depends on."""
    part = keras.Model(model.inputs, model.get_layer(name).output)
    for weight in part.weights:  # all positive: nothing cancels out
        weight.assign(np.random.default_rng(0).uniform(0.1, 0.2, weight.shape))
    x = tf.constant(np.random.default_rng(1).uniform(0.5, 1.0, (1, *model.inputs[0].shape[1:])).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = tf.reduce_sum(part(x)[(0, *place)])
    gradient = np.abs(tape.gradient(output, x).numpy())[0].sum(axis=-1)
    found = []
    for axis in range(gradient.ndim):
        positions = np.flatnonzero(gradient.sum(axis=tuple(i for i in range(gradient.ndim) if i != axis)))
        found.append((positions.min(), positions.max()))
    return found


def check_against_gradients(model, row):
    """The first output and that in the middle see what the row says, cut at the image's edges; the last no more.

    It may see less, where a layer without padding has left pixels out at the end.
    """
    sizes, shape = model.inputs[0].shape[1:-1], row.output_shape[:-1]
    last = tuple(size - 1 for size in shape)
    for place in ((0,) * len(shape), tuple(size // 2 for size in shape), last):
        expected = [
            (max(start + t * jump, 0), min(start + t * jump + field, size) - 1)
            for start, t, jump, field, size in zip(row.start, place, row.jump, row.receptive_field, sizes, strict=True)
        ]
        seen = seen_pixels(model, row.name, place)
        inside = [a <= x and y <= b for (x, y), (a, b) in zip(seen, expected, strict=True)]
        assert all(inside) if place == last else seen == expected, (row.name, place)


LINEAR = {"normalization": None, "activation": None}
STACKS = {
    "same": lambda: [layers.Conv2D(2, 3, strides=2, padding="same"), layers.AveragePooling2D(2, padding="same")],
    "valid": lambda: [layers.Conv2D(2, (3, 5)), layers.AveragePooling2D((3, 2), 2), layers.DepthwiseConv2D(3)],
    "dilated": lambda: [layers.Conv2D(2, 3, dilation_rate=(1, 2)), layers.SeparableConv2D(2, 3, padding="same")],
    "zeros": lambda: [layers.ZeroPadding2D(((1, 0), (2, 1))), layers.Conv2D(2, 3, strides=2)],
    "numbers": lambda: [ConvNormAct2D(2, 7, strides=2, padding=3, **LINEAR), layers.Conv2D(2, 2, padding="same")],
    "whitening": lambda: [WhiteningConv2D(), layers.Conv2D(2, 3, padding="same"), layers.AveragePooling2D(2)],
    "residual": lambda: [
        ResidualBlock2D(3, strides=2, **LINEAR),
        ResidualBlock2D(4, strides=2, shortcut="padding", **LINEAR),
        ResidualBlock2D(8, bottleneck=True, order="norm-act-conv", **LINEAR),
    ],
}


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("sizes", [(30, 33), (37, 40)])
def test_fields_of_images_are_what_gradients_reach(name, sizes):
    model = keras.Sequential([keras.Input((*sizes, 2)), *STACKS[name]()])
    if name == "whitening":  # the negatives would cancel the gradient
        model = keras.Sequential([keras.Input((*sizes, 2)), layers.Conv2D(4, 2), *STACKS[name]()[1:]])
        kernel = keras.Sequential([keras.Input((*sizes, 2)), *STACKS[name]()])
        assert [row.start for row in geometry.explain(kernel)] == [row.start for row in geometry.explain(model)]
    for row in geometry.explain(model):
        assert row.known
        if row.kind != "ZeroPadding2D":  # its corners see nothing
            check_against_gradients(model, row)


@pytest.mark.parametrize("padding", ["same", "valid", "causal"])
def test_fields_of_texts_are_what_gradients_reach(padding):
    parts = [
        layers.Conv1D(2, 2, strides=2, padding=padding),
        ConvNormAct1D(2, 4, strides=2, padding=padding, **LINEAR),
        ResidualBlock1D(3, strides=2, **LINEAR),
    ]
    model = keras.Sequential([keras.Input((61, 2)), *parts])
    for row in geometry.explain(model):
        check_against_gradients(model, row)


def test_branches_that_meet_are_united():
    given = keras.Input((31, 31, 2))
    near = layers.Conv2D(2, 3, padding="same")(given)
    far = layers.Conv2D(2, 5, padding="same")(layers.Conv2D(2, (1, 7), padding="same")(given))
    model = keras.Model(given, layers.Concatenate(name="both")([near, layers.Add()([near, far])]))
    row = {row.name: row for row in geometry.explain(model)}["both"]
    assert row.receptive_field == (5, 11)
    check_against_gradients(model, row)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.booleans()), min_size=1, max_size=4))
def test_plain_stacks_agree_with_the_formula(stack):
    x = given = keras.Input((None, None, 1))
    for size, strides, pooled in stack:
        layer = layers.MaxPooling2D if pooled else lambda *sizes: layers.Conv2D(1, *sizes)
        x = layer(size, strides)(x)
    rows = geometry.explain(keras.Model(given, x)).rows
    for i, row in enumerate(rows):
        expected = geometry.receptive_field(geometry.Window(size, strides) for size, strides, _ in stack[: i + 1])
        assert row.receptive_field == (expected, expected)


def test_published_models():
    rows = geometry.explain(models.VGG16(hidden_units=())).rows
    assert {row.name: row for row in rows}["pooling_convolution_5_3"].receptive_field == (212, 212)  # Araujo et al.
    table = geometry.explain(models.resnet18())
    by_name = {row.name: row for row in table}
    assert by_name["block_4_2"].receptive_field == (435, 435) and by_name["block_4_2"].jump == (32, 32)  # the same
    assert by_name["block_4_2"].output_shape == (7, 7, 512)
    assert by_name["logits"].receptive_field is None
    assert table.parameters == 11_689_512
    lines = str(table).splitlines()
    assert len(lines) == len(table) + 2 and len({len(line) for line in lines[1:]}) == 1
    assert lines[1].split() == "stem ConvNormAct2D 112 x 112 x 64 7 2 9,536".split()
    assert lines[-1].split() == ["total", "11,689,512"]


@pytest.mark.parametrize(
    ("make", "name", "field"),
    [
        (lambda: models.DilatedTextCNN(9), "convolutions", 31),
        (lambda: models.CharCNN(9), "convolution_4", 123),
        (lambda: models.TextCNN(9, length=7), "embedding", 1),
    ],
)
def test_text_models(make, name, field):
    rows = {row.name: row for row in geometry.explain(make())}
    assert rows[name].receptive_field == (field,)
    assert rows["logits"].receptive_field is None and all(row.known for row in rows.values())


def test_nested_and_shared_layers():
    inner = keras.Sequential([keras.Input((None, None, 2)), layers.Conv2D(2, 3, name="c")], name="inner")
    given = keras.Input((20, 20, 2))
    model = keras.Model(given, layers.Flatten(name="flat")(inner(inner(given))))
    table = geometry.explain(model)
    assert [(row.name, row.receptive_field) for row in table] == [
        ("inner/c", (3, 3)),
        ("inner/c", (5, 5)),
        ("flat", None),
    ]
    assert table.parameters == model.count_params()  # the shared kernel once


def test_what_is_not_known_is_shown_so():
    given = keras.Input((8, 8, 2))
    x = layers.Conv2DTranspose(2, 3, name="up")(given)
    model = keras.Model(given, layers.Flatten(name="flat")(layers.ReLU(name="after")(x)))
    assert [row.known for row in geometry.explain(model)] == [False, False, True]
    assert str(geometry.explain(model)).splitlines()[1].split()[-3:] == ["?", "?", "38"]


def test_a_model_without_a_graph_is_refused():
    for model in (keras.Sequential([layers.Dense(3)]), type("Plain", (keras.Model,), {})()):
        with pytest.raises(InputError, match="no graph"):
            geometry.explain(model)
