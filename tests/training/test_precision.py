"""A model trained in mixed precision and its float32 twin; what `fit` keeps of it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv import models, runtime, training


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
    images = next(iter(batches()))[0]
    np.testing.assert_allclose(kept(images), training.in_float32(model)(images), atol=1e-6)


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
