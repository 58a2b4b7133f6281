"""What `optimizers.make` makes of plain settings, told by how weights move."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.training import FusedAdam, optimizers
from tfconv.training.optimizers.adam import LazyAdam
from tfconv.training.optimizers.muon import Muon
from tfconv.training.optimizers.wrappers import GradientAccumulation, Lookahead


def moved(optimizer, steps=8, scale=1.0):
    """Where two layers end up after gradients that are the same for every optimizer."""
    rng = np.random.default_rng(0)
    layers = [keras.layers.Dense(3, name="hidden"), keras.layers.Dense(2, name="logits")]
    for layer, width in zip(layers, (4, 3), strict=True):
        layer.build((None, width))
        layer.kernel.assign(np.ones(layer.kernel.shape))
        layer.bias.assign(np.ones(layer.bias.shape))
    variables = [variable for layer in layers for variable in layer.trainable_variables]
    optimizer.build(variables)
    for _ in range(steps):
        gradients = [tf.constant(scale * rng.normal(size=v.shape), tf.float32) for v in variables]
        optimizer.apply(gradients, variables)
    optimizer.finalize_variable_values(variables)
    return [variable.numpy() for variable in variables]


def undecayed(optimizer):
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"name": "adam"}, lambda: FusedAdam(0.1)),
        ({"name": "adam", "weight_decay": 0.1, "momentum": 0.8}, lambda: FusedAdam(0.1, 0.8, weight_decay=0.1)),
        ({"name": "lazy-adam", "clip_norm": 0.5}, lambda: FusedAdam(0.1, global_clipnorm=0.5)),
        ({"name": "sgd"}, lambda: keras.optimizers.SGD(0.1, 0.9, nesterov=True)),
        ({"name": "sgd", "ema": 0.7}, lambda: keras.optimizers.SGD(0.1, 0.9, True, use_ema=True, ema_momentum=0.7)),
        ({"name": "sgd", "momentum": 0.0, "clip_norm": 0.3}, lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.3)),
        ({"name": "adam", "lookahead": True}, lambda: Lookahead(FusedAdam(0.1), 6, 0.5)),
        ({"name": "sgd", "accumulate": 3}, lambda: GradientAccumulation(keras.optimizers.SGD(0.1, 0.9, True), 3)),
        (
            {"name": "muon", "weight_decay": 0.2},
            lambda: Muon(0.1, weight_decay=0.2, adam_weight_decay=0.2, exclude_layers=["logits"]),
        ),
        ({"name": "muon"}, lambda: Muon(0.1, weight_decay=0.0, adam_weight_decay=0.0, exclude_layers=["logits"])),
    ],
)
def test_weights_move_as_with_the_optimizer_meant(settings, expected):
    for one, other in zip(
        moved(optimizers.make(learning_rate=0.1, **settings)), moved(undecayed(expected())), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("name", ["adam", "lazy-adam", "sgd", "muon"])
@pytest.mark.parametrize("around", [{}, {"lookahead": True}])
def test_biases_do_not_decay(name, around):
    kernel, bias, *_ = moved(optimizers.make(name, 0.1, weight_decay=0.5, **around), steps=3, scale=0.0)
    np.testing.assert_allclose(kernel, 0.95**3, rtol=1e-5)
    np.testing.assert_array_equal(bias, np.ones(3))


def test_lookahead_is_inside_accumulation():
    optimizer = optimizers.make("lazy-adam", 0.1, lookahead=True)
    assert type(optimizer) is Lookahead and type(optimizer.inner_optimizer) is LazyAdam
    optimizer = optimizers.make("adam", 0.1, lookahead=True, accumulate=2)
    assert type(optimizer) is GradientAccumulation and type(optimizer.inner_optimizer) is Lookahead
    assert type(optimizer).from_config(optimizer.get_config()).get_config() == optimizer.get_config()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "adamw"}, "name must be adam, lazy-adam, adagrad, sgd or muon, got 'adamw'"),
        ({"weight_decay": -1.0}, "weight_decay must be from 0 to below 1, got -1.0"),
        ({"ema": 1.0}, "ema must be from 0 to below 1, got 1.0"),
        ({"clip_norm": 0.0}, "clip_norm must be above 0, got 0.0"),
        ({"clip_norm": float("nan")}, "clip_norm must be above 0, got nan"),
        ({"accumulate": 0}, "accumulate must be a whole number of 1 or more, got 0"),
        ({"name": "lazy-adam", "accumulate": 2}, "must be left out with lazy-adam"),
        ({"name": "lazy-adam", "ema": 0.9}, "must be left out with lazy-adam"),
    ],
)
def test_mistakes_name_the_argument(settings, message):
    with pytest.raises(ValueError, match=message):
        optimizers.make(**{"name": "adam", "learning_rate": 0.1, **settings})
