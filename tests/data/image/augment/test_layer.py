"""The layer: only in training, new draws each call that a saved model goes on with, any function that can be named."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv import InputError
from tfconv.data import augment
from tfconv.training.runs import checkpoint


def some_images(n=16, dtype="uint8", side=16):
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3)).astype(dtype)


@keras.saving.register_keras_serializable(package="tfconv_tests")
def shifted_up(images, seed):
    """Up by one row."""
    return tf.roll(images, -1, axis=1)


def as_model(**arguments):
    return keras.Sequential([keras.Input((16, 16, 3), dtype="uint8"), augment.Augmentation(**arguments)])


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_images_change_in_training_only_and_keep_their_type(dtype, policy):
    layer, images = augment.Augmentation("random_flip_translate", seed=3, dtype=policy), some_images(dtype=dtype)
    for same in (layer(images), layer(images, training=False)):
        assert np.array_equal(same, images) and same.dtype == dtype
    changed = layer(images, training=True)
    assert changed.dtype == dtype and changed.shape == images.shape
    assert not np.array_equal(changed, images)
    assert set(np.unique(changed)) <= set(np.unique(images))  # moved, not computed: the policy costs no precision


@pytest.mark.parametrize("name", ["side_on", "top_down", "cutout"])
def test_the_layer_applies_the_function(name):
    outputs = []

    def recorded(images, seed):
        outputs.append((images, seed))
        return images

    augment.Augmentation(recorded, seed=5)(some_images(), training=True)
    ((images, seed),) = outputs
    expected = np.round(getattr(augment, name)(images, seed))
    assert images.dtype == tf.float32 and np.array_equal(images, some_images())
    assert np.array_equal(augment.Augmentation(name, seed=5)(some_images(), training=True), expected)


def test_calls_draw_anew_and_a_seed_repeats_them():
    one, two, other = (augment.Augmentation("side_on", seed=seed) for seed in (1, 1, 2))
    first, second = (one(some_images(), training=True).numpy() for _ in range(2))
    assert not np.array_equal(first, second)
    assert np.array_equal(two(some_images(), training=True), first)
    assert np.array_equal(two(some_images(), training=True), second)
    assert not np.array_equal(other(some_images(), training=True), first)


@pytest.mark.parametrize("function", ["top_down", shifted_up])
def test_a_saved_model_keeps_its_function(function, tmp_path):
    model = as_model(augment=function, seed=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].augment == function and loaded.layers[0].seed == 1
    assert np.array_equal(loaded(some_images(), training=True), model(some_images(), training=True))
    assert np.array_equal(loaded(some_images()), some_images())


def test_a_resumed_run_goes_on_where_it_stopped(tmp_path):
    model, resumed = as_model(seed=1), as_model(seed=2)
    model.compile("sgd")
    resumed.compile("sgd")
    model(some_images(), training=True)
    position = checkpoint.Position(0, 1)
    checkpoint.save(tmp_path, position, checkpoint.contents(position, model, []))
    checkpoint.restore(checkpoint.newest(tmp_path), tmp_path, resumed, [])
    assert np.array_equal(resumed(some_images(), training=True), model(some_images(), training=True))


def test_a_function_that_is_not_registered_is_named_when_loading(tmp_path):
    def nameless(images, seed):
        return images

    as_model(augment=nameless).save(tmp_path / "model.keras")
    with pytest.raises(TypeError, match="Could not locate function 'nameless'.*register_keras_serializable"):
        keras.models.load_model(tmp_path / "model.keras")


def test_training_sees_changed_images_and_evaluation_does_not():
    model = keras.Sequential(
        [
            as_model(augment="random_symmetry", seed=1),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(768, kernel_initializer="identity"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.0), keras.losses.MeanSquaredError())
    images = some_images()
    model.fit(images, (images / 255).reshape(16, -1), batch_size=8, verbose=0)
    assert model.history.history["loss"][0] > 0.01
    assert model.evaluate(images, (images / 255).reshape(16, -1), verbose=0) < 1e-10


def test_each_replica_draws_for_itself(two_replicas):
    with two_replicas.scope():
        layer = augment.Augmentation("random_flip_translate", seed=1)
        layer.build((None, 16, 16, 3))
    step = tf.function(lambda: two_replicas.run(lambda: layer(tf.constant(some_images()), training=True)))
    results = [two_replicas.experimental_local_results(step()) for _ in range(2)]
    first, second, third, fourth = (output.numpy() for pair in results for output in pair)
    assert not any(np.array_equal(first, other) for other in (second, third, fourth))
    assert not np.array_equal(second, fourth) and not np.array_equal(third, fourth)


@pytest.mark.parametrize("wrong", ["random_crop", "mixup", "flip", None, ["side_on"]])
def test_what_is_no_function_of_images_is_refused(wrong):
    with pytest.raises(InputError, match="augment must be a function or one of cutout, .*, top_down; got "):
        augment.Augmentation(wrong)


def test_a_change_of_shape_is_refused():
    layer = augment.Augmentation(lambda images, seed: augment.random_crop(images, seed, 8))
    with pytest.raises(InputError, match=r"augment must keep the images' shape \(16, 16, 16, 3\), got \(16, 8, 8, 3\)"):
        layer(some_images(), training=True)
