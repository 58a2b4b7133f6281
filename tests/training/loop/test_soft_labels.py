"""Loss and metric for shares of classes, against NumPy, Keras and the ordinary ones; trained on mixed images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfconv
from tfconv.data.image.augment.mix import mixed
from tfconv.training import SmoothedCrossentropy, fit
from tfconv.training.loop.objective import SoftLabelAccuracy, soft_label_objective

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(30, 4)).astype("float32") * 3
ROWS = RNG.dirichlet(np.ones(4), 30).astype("float32")


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_crossentropy_of_rows_and_of_class_numbers(smoothing):
    loss = SmoothedCrossentropy(smoothing)
    shares = (1 - smoothing) * ROWS.astype("float64") + smoothing / 4
    log_softmax = LOGITS - np.log(np.exp(LOGITS.astype("float64")).sum(axis=1, keepdims=True))
    assert float(loss(ROWS, LOGITS)) == pytest.approx(-(shares * log_softmax).sum(axis=1).mean(), rel=1e-5)
    keras_own = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    assert float(loss(ROWS, LOGITS)) == pytest.approx(float(keras_own(ROWS, LOGITS)), rel=1e-5)
    labels = ROWS.argmax(axis=1)
    expected = float(SmoothedCrossentropy(smoothing)(labels, LOGITS))
    for same in (labels, labels[:, None], np.eye(4, dtype="float32")[labels]):
        assert float(loss(same, LOGITS)) == pytest.approx(expected, rel=1e-5)
    assert SmoothedCrossentropy.from_config(loss.get_config()).label_smoothing == smoothing


def test_accuracy_is_by_the_largest_share():
    labels = ROWS.argmax(axis=1)
    expected = (labels == LOGITS.argmax(axis=1)).mean()
    for same in (ROWS, labels, labels[:, None]):
        assert float(SoftLabelAccuracy()(same, LOGITS)) == pytest.approx(expected)
    several = RNG.uniform(size=(30, 4))
    expected = ((several > 0.5) == (LOGITS > 0)).mean()
    metric = SoftLabelAccuracy(binary=True)
    assert float(metric(several, LOGITS)) == pytest.approx(expected)
    assert type(metric).from_config(metric.get_config()).get_config() == metric.get_config()
    one, hard = LOGITS[:, :1], (several[:, 0] > 0.5).astype("int32")
    for same in (several[:, :1], several[:, 0], hard, hard[:, None]):
        assert float(SoftLabelAccuracy(binary=True)(same, one)) == pytest.approx((hard == (one[:, 0] > 0)).mean())


@pytest.mark.parametrize("kind", ["classes", "one logit", "several labels"])
def test_trains_on_mixed_images_and_validates_on_plain_ones(kind, tmp_path):
    data = tfconv.data.synthetic_shapes(400, seed=1).prepare(batch_size=32, seed=3, drop_remainder=True)
    classes = data.outputs
    change = {
        "classes": lambda x, y: (x, y),
        "one logit": lambda x, y: (x, tf.cast(y == 0, tf.int64)),
        "several labels": lambda x, y: (x, tf.stack([tf.cast(y == 0, tf.float32), tf.cast(y > 1, tf.float32)], axis=1)),
    }[kind]
    outputs = {"classes": classes, "one logit": 1, "several labels": 2}[kind]
    loss, metrics = soft_label_objective(
        outputs, task="multi-label" if kind == "several labels" else "classification", label_smoothing=0.05
    )
    train = mixed(data.train.map(change), outputs, mixup_alpha=0.2, cutmix_alpha=1.0)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input(data.image_shape),
            keras.layers.Conv2D(8, 5, strides=2, activation="relu"),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(outputs),
        ]
    )
    held_out = data.validation.map(change)
    history = fit(
        model,
        train,
        validation_data=held_out,
        epochs=6,
        optimizer=keras.optimizers.Adam(0.01),
        loss=loss,
        metrics=metrics,
        run_dir=tmp_path / "run",
        verbose=0,
    ).history
    assert history["val_loss"][-1] < history["val_loss"][0]
    chance = {"classes": 1 / classes, "one logit": 0.5, "several labels": 0.5}[kind]
    assert history["val_accuracy"][-1] > chance and history["accuracy"][-1] > chance
    loaded = keras.models.load_model(tmp_path / "run" / "model.keras")
    x, y = (np.concatenate([np.array(part) for part in parts]) for parts in zip(*held_out, strict=True))
    logits = loaded.predict(x, verbose=0)
    right = logits.argmax(axis=1) == y if kind == "classes" else (logits > 0) == (y.reshape(logits.shape) > 0.5)
    assert history["val_accuracy"][-1] == pytest.approx(right.mean(), abs=1e-6)
