"""A model trained in mixed precision and its float32 twin; what `fit` keeps of it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv import models, runtime, training
from tfconv.errors import InputError
from tfconv.layers import BatchNorm


def batches():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 8, 16, 16, 3)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((images, rng.integers(0, 10, (4, 8))))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_twin_has_the_weights_and_full_precision(dtype):
    model = models.WhitenedResNet((16, 16, 3), widths=(8, 8), dtype=dtype)
    images = next(iter(batches()))[0]
    model(images, training=True)  # moves the statistics, which are no trainable weights
    twin = training.in_float32(model)
    assert type(twin) is type(model) and {layer.compute_dtype for layer in twin.layers} == {"float32"}
    for ours, theirs in zip(twin.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    plain = models.WhitenedResNet((16, 16, 3), widths=(8, 8))
    plain.set_weights(model.get_weights())
    np.testing.assert_array_equal(twin(images), plain(images))
    difference = np.abs(twin(images) - model(images)).max()
    assert 0 < difference < 0.05  # the roundings between layers


def test_float32_model_is_returned_itself():
    model = models.WhitenedResNet((16, 16, 3), widths=(8,))
    assert training.in_float32(model) is model
    stock = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    assert training.in_float32(stock) is stock


def test_fit_keeps_the_float32_model(tmp_path):
    model = models.WhitenedResNet((16, 16, 3), widths=(8, 8), dtype="mixed_bfloat16")
    training.fit(model, batches(), run_dir=tmp_path, verbose=0)
    kept = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert kept.dtype_policy.name == "float32" and model.dtype_policy.name == "mixed_bfloat16"
    inputs = next(iter(batches()))[0]
    np.testing.assert_allclose(kept(inputs), training.in_float32(model)(inputs), atol=1e-6)


def test_precision_goes_by_the_processor(monkeypatch):
    from pathlib import Path

    for flags, expected in (
        ("flags : fpu avx2 avx512f", "float32"),
        ("flags : fpu avx512f avx512_bf16", "mixed_bfloat16"),
        ("flags : fpu amx_bf16 amx_tile", "mixed_bfloat16"),
        ("Features : fp asimd", "float32"),
    ):
        monkeypatch.setattr(Path, "read_text", lambda *_, flags=flags: f"model name : x\n{flags}\n")
        assert runtime.precision() == expected


def grey_in_three_channels():
    """Images whose channels are equal, so that eight of twelve whitening directions are empty."""
    rng = np.random.default_rng(0)
    labels = np.arange(128) % 4
    stripes = np.stack([np.roll(np.tile([0, 0, 200, 200] * 4, (16, 1)), c, axis=1) for c in range(4)])
    grey = np.clip(stripes[labels] + rng.integers(0, 50, (128, 16, 16)), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1), labels.astype(np.int32)


def whitened(epsilon, filters_of_empty_directions):
    """The default image model as it was: whitening and normalisation that multiply rounding errors."""
    pixels, labels = grey_in_three_channels()
    images = (pixels / 255 - pixels.mean() / 255).astype("float32") / pixels.std() * 255
    keras.utils.set_random_seed(0)
    model = models.WhitenedResNet((16, 16, 3), 4, widths=(16, 16), dtype="mixed_bfloat16")
    model.adapt(images)
    for layer in model.layers:
        if isinstance(layer, BatchNorm):
            layer.epsilon = epsilon
    if filters_of_empty_directions:
        size, rng = np.array(model.get_layer("whitening").kernel.shape[:3]).prod(), np.random.default_rng(1)
        kernel = model.get_layer("whitening").kernel.numpy().reshape(size, -1)
        empty = np.flatnonzero(~kernel.any(axis=0))
        assert len(empty) == 16
        differences = rng.normal(size=(4, 3, 16))
        differences -= differences.mean(axis=1, keepdims=True)  # 0 for equal channels, but for rounding
        kernel[:, empty] = 40 * differences.reshape(12, 16)
        model.get_layer("whitening").kernel.assign(kernel.reshape(model.get_layer("whitening").kernel.shape))
    data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(32)
    return model, data


def test_grey_images_in_three_channels_keep_their_score(tmp_path):
    model, data = whitened(1e-3, False)
    optimizer = keras.optimizers.Adam(0.005)
    history = training.fit(
        model, data, optimizer=optimizer, validation_data=data, epochs=12, run_dir=tmp_path, verbose=0
    )
    kept = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    images, labels = (np.concatenate(parts) for parts in zip(*data.as_numpy_iterator(), strict=True))
    accuracy = float((kept.predict(images, verbose=0).argmax(axis=1) == labels).mean())
    assert history.history["val_accuracy"][-1] > 0.9 and abs(accuracy - history.history["val_accuracy"][-1]) < 0.01


def test_a_float32_model_that_does_not_score_as_the_trained_one_is_not_kept(tmp_path):
    model, data = whitened(1e-12, True)
    with pytest.raises(training.PrecisionError, match=r"loss of .* on the validation split, the model as"):
        training.fit(model, data, validation_data=data, epochs=3, run_dir=tmp_path, verbose=0)
    assert not (tmp_path / "model.keras").exists() and list((tmp_path / "checkpoints").iterdir())
    with pytest.raises(training.PrecisionError, match="on some training batches"):
        training.fit(model, data, epochs=1, run_dir=tmp_path / "unvalidated", verbose=0)


def test_a_model_that_was_changed_after_the_training_is_found_out(tmp_path):
    model = models.WhitenedResNet((16, 16, 3), widths=(8, 8), dtype="mixed_bfloat16")
    training.fit(model, batches(), run_dir=tmp_path, verbose=0)
    kept = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    training.check_answers(tmp_path, kept)
    training.check_answers(tmp_path / "none", kept)  # a run from before answers were kept
    kernel = kept.get_layer("logits").kernel
    kernel.assign(-kernel)
    with pytest.raises(InputError, match="does not give the outputs that it gave when it was trained"):
        training.check_answers(tmp_path, kept)
    (tmp_path / "answers.npz").write_bytes((tmp_path / "answers.npz").read_bytes()[:-50])
    with pytest.raises(InputError, match="answers.npz does not fit the model"):
        training.check_answers(tmp_path, kept)
