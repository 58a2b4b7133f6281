"""Layer groups, what freezing leaves alone, and which weights decay."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv import models
from tfconv.layers import BatchNorm, GhostBatchNorm
from tfconv.training import decay_kernels_only, fit, freeze_batch_norm, freeze_to, gradual_unfreeze, layer_groups

CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
RNG = np.random.default_rng(0)


def images(classes=3, n=24, size=16):
    labels = RNG.integers(0, classes, n).astype("int32")
    return tf.data.Dataset.from_tensor_slices((RNG.normal(size=(n, size, size, 3)).astype("float32"), labels)).batch(8)


def small_resnet(**settings):
    return models.WhitenedResNet((16, 16, 3), 3, widths=(4, 4, 8), **settings)


def names(groups):
    return [[layer.name for layer in group] for group in groups]


class Plain(keras.Model):
    """A subclass without a graph."""

    def __init__(self):
        super().__init__()
        self.first = keras.layers.Conv2D(4, 3, name="first")
        self.norm = BatchNorm(name="norm")
        self.last = keras.layers.Dense(3, name="last")

    def call(self, x, training=None):
        x = self.norm(self.first(x), training=training)
        return self.last(keras.ops.mean(x, axis=(1, 2)))


def built_plain():
    model = Plain()
    model(np.zeros((1, 16, 16, 3), "float32"))
    return model


def application():
    return models.from_application("MobileNetV2", 3, input_shape=(32, 32, 3))


def small_nested():
    """As `application`, with a backbone of few layers: a step through MobileNetV2's takes seconds to trace."""
    layers = keras.layers
    inner = [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.DepthwiseConv2D(3), layers.BatchNormalization()]
    backbone = keras.Sequential([keras.Input((16, 16, 3)), *inner, layers.Conv2D(6, 1)], name="backbone")
    x = inputs = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(backbone(layers.Rescaling(0.5)(x)))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


BUILDERS = {
    "ours": small_resnet,
    "residual": lambda: models.ResNetCIFAR((16, 16, 3), 3, depth=8, widths=(4, 4, 8)),
    "subclass": built_plain,
    "sequential": lambda: keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(3)]
    ),
    "nested": application,
    "small nested": small_nested,
    "text": lambda: models.MultiWidthTextCNN(50, embedding_dim=8, filters=4, hidden_units=6),
}


@pytest.mark.parametrize("kind", BUILDERS)
def test_groups_hold_every_weight_once_and_end_with_the_head(kind):
    model = BUILDERS[kind]()
    for number in (1, 2) if kind in ("sequential", "subclass") else (1, 2, 3):
        groups = layer_groups(model, number)
        assert len(groups) == number and all(groups)
        paths = [weight.path for group in groups for layer in group for weight in layer.weights]
        assert sorted(paths) == sorted(weight.path for weight in model.weights)
        assert model.layers[-1] is groups[-1][-1] or groups[-1][-1].name in ("logits", "last")
        if number > 1:
            kernels = [weight for layer in groups[-1] for weight in layer.weights if len(weight.shape) > 1]
            assert len(kernels) == 1 and kernels[0].shape[-1] in (1, 3)


def test_a_norm_stays_with_its_convolution_and_groups_are_even():
    expected = [
        ["whitening", "convolution_1a", "norm_1a", "convolution_1b", "norm_1b", "convolution_2a", "norm_2a"],
        ["convolution_2b", "norm_2b", "convolution_3a", "norm_3a", "convolution_3b", "norm_3b"],
        ["logits"],
    ]
    assert names(layer_groups(small_resnet(), 3)) == expected


def test_groups_by_name():
    model = small_resnet()
    groups = names(layer_groups(model, ["convolution_3a", "logits"]))
    assert [group[0] for group in groups] == ["whitening", "convolution_3a", "logits"]
    nested = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.Sequential([keras.layers.Dense(2)], name="top")]
    )
    assert [len(group) for group in layer_groups(nested, ["top"])] == [1, 1]
    for wrong in (["nowhere"], ["logits", "convolution_3a"], ["whitening"]):
        with pytest.raises(ValueError, match="groups must name layers"):
            layer_groups(model, wrong)
    with pytest.raises(ValueError, match="from 1 to 8"):
        layer_groups(model, 9)
    with pytest.raises(ValueError, match="must be built"):
        layer_groups(keras.Sequential([keras.layers.Dense(1)]))


@pytest.mark.parametrize("kind", ["ours", "residual", "subclass", "small nested"])
@pytest.mark.parametrize("n", [-1, 1])
def test_frozen_weights_keep_every_bit(kind, n):
    model = BUILDERS[kind]()
    if kind == "small nested":
        model.get_layer("backbone").trainable = False  # as that of from_application; freeze_to undoes it
    groups = layer_groups(model, 2 if kind == "subclass" else 3)
    freeze_to(model, n, groups)
    frozen = len(groups) + n if n < 0 else n
    before = [[layer.get_weights() for layer in group] for group in groups]
    optimizer = keras.optimizers.Adam(0.01, weight_decay=0.1)
    fit(model, images(), epochs=2, optimizer=optimizer, loss=CROSSENTROPY, verbose=0)
    for i, group in enumerate(groups):
        after = [layer.get_weights() for layer in group]
        same = [np.array_equal(a, b) for x, y in zip(before[i], after, strict=True) for a, b in zip(x, y, strict=True)]
        assert all(same) if i < frozen else not all(same)


def test_freeze_to_refuses_what_trains_nothing():
    model = small_resnet()
    for n in (3, -4):
        with pytest.raises(ValueError, match="n must be from -3 to 2"):
            freeze_to(model, n)
    freeze_to(model, 2)
    assert [weight.path for weight in model.trainable_weights] == ["logits/kernel"]
    freeze_to(model, -3)
    assert len(model.trainable_weights) == 1 + 6 * 2 + 1  # the whitening's bias, kernels and betas, the logits


def test_frozen_norms_leave_their_averages_and_use_them():
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.BatchNormalization()(inputs)
    x = GhostBatchNorm(4)(keras.layers.Conv2D(3, 3)(x))
    x = keras.Sequential([keras.layers.Conv2D(3, 1), BatchNorm()])(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    assert freeze_batch_norm(model) == 3
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    before = [layer.get_weights() for layer in norms]
    batch = RNG.normal(2, 3, (8, 6, 6, 2)).astype("float32")
    np.testing.assert_array_equal(model(batch, training=True), model(batch, training=False))
    data = tf.data.Dataset.from_tensors((batch, np.zeros(8, "int32")))
    kernel = model.layers[2].get_weights()[0]
    fit(model, data, epochs=2, verbose=0)
    for one, layer in zip(before, norms, strict=True):
        for a, b in zip(one, layer.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(kernel, model.layers[2].get_weights()[0])


def test_stages_are_fits_with_other_layers_frozen(tmp_path):
    data, results = images(), []
    for by_hand in (True, False):
        keras.utils.set_random_seed(0)
        model = small_resnet()
        settings = {"loss": CROSSENTROPY, "verbose": 0}
        stages = [(-1, 1), (1, 2), (0, 1)]
        if by_hand:
            for n, epochs in stages:
                freeze_to(model, n)
                fit(model, data, epochs=epochs, optimizer=keras.optimizers.SGD(0.1), **settings)
        else:
            histories = gradual_unfreeze(
                model, data, stages, lambda _: keras.optimizers.SGD(0.1), run_dir=tmp_path / "run", **settings
            )
            assert [len(history.epoch) for history in histories] == [1, 2, 1]
        results.append(model.get_weights())
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (tmp_path / "run" / "model.keras").exists() and (tmp_path / "run" / "stages" / "2" / "model.keras").exists()
    with pytest.raises(ValueError, match="at least one"):
        gradual_unfreeze(model, data, [], lambda _: keras.optimizers.SGD(0.1))


def test_stages_go_on_where_they_stopped(tmp_path):
    data, results = images(), []
    settings = {"loss": CROSSENTROPY, "verbose": 0}

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if self.model.trainable_weights[0].path != "logits/kernel" and epoch == 1 and not stopped:
                stopped.append(True)
                raise KeyboardInterrupt

    for stopped in ([True], []):
        run = tmp_path / str(len(stopped))
        for resume in (False, True)[: 2 - len(stopped)]:
            keras.utils.set_random_seed(0)
            model = small_resnet()
            try:
                gradual_unfreeze(
                    model,
                    data,
                    [(-1, 2), (1, 3)],
                    lambda _: keras.optimizers.Adam(0.01),
                    freeze_norm=True,
                    run_dir=run,
                    callbacks=[Stop()],
                    resume=resume,
                    **settings,
                )
            except KeyboardInterrupt:
                continue
        results.append(model.get_weights())
    assert stopped
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_decay_moves_kernels_only():
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(3, 3, bias_initializer="ones")(inputs)
    x = keras.layers.LayerNormalization(axis=(1, 2, 3))(x)  # weights of three axes
    x = BatchNorm(beta_initializer="ones")(x)
    x = keras.layers.EinsumDense("abcd,def->abcef", (None, 4, 2, 3), bias_axes="ef", bias_initializer="ones")(x)
    model = keras.Model(
        inputs,
        keras.layers.Dense(2, bias_initializer="ones")(
            keras.layers.GlobalMaxPooling2D()(keras.layers.Reshape((4, 4, 6))(x))
        ),
    )
    optimizer = keras.optimizers.SGD(0.5, weight_decay=0.2)
    decay_kernels_only(optimizer, model)
    before = {weight.path: weight.numpy() for weight in model.trainable_weights}
    optimizer.build(model.trainable_weights)
    optimizer.apply([keras.ops.zeros_like(weight) for weight in model.trainable_weights])
    moved = set()
    for weight in model.trainable_weights:
        if not np.array_equal(weight, before[weight.path]):
            np.testing.assert_allclose(weight, before[weight.path] * (1 - 0.5 * 0.2), rtol=1e-6)
            moved.add(weight.name)
    assert moved == {"kernel"}
    with pytest.raises(ValueError, match="must be built"):
        decay_kernels_only(optimizer, keras.Sequential([keras.layers.Dense(1)]))
