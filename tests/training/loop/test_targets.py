"""One `fit` for any inputs and targets: losses against NumPy, inputs in any structure, and clear refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfconv.training import evaluate, fit, lr_find, overfit_one_batch, probe_batch_sizes

rng = np.random.default_rng(5)
X = rng.normal(size=(24, 6)).astype("float32")
STEPS = rng.normal(size=(24, 4, 6)).astype("float32")
WHOLE = rng.integers(0, 3, 24)


def batched(x, y):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(8)


def dense(outputs, activation=None, inputs=(6,)):
    keras.utils.set_random_seed(7)
    return keras.Sequential([keras.Input(inputs), layers.Dense(outputs, activation=activation)])


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def squared(z, y):
    return {"loss": np.mean((z - y) ** 2), "mae": np.mean(np.abs(z - y))}


def binary(z, y, probabilities=False):
    p = np.clip(z if probabilities else 1 / (1 + np.exp(-z)), 1e-7, 1 - 1e-7)
    right = np.mean((p > 0.5) == y)  # as Keras counts it
    return {"loss": -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), "accuracy": right}


def sparse(z, y):
    picked = np.take_along_axis(softmax(z), y[..., None].astype(int), -1)
    return {"loss": -np.mean(np.log(picked)), "accuracy": np.mean(z.argmax(-1) == y)}


def categorical(z, y):
    return {"loss": -np.mean((y * np.log(softmax(z))).sum(-1)), "accuracy": np.mean(z.argmax(-1) == y.argmax(-1))}


FLOATS = (X[:, 0] * 3).astype("float32")
ZEROS_ONES = (X[:, 0] > 0).astype("float32")
ROWS = np.eye(3, dtype="float32")[WHOLE]
SEVERAL = (X[:, :3] > 0).astype("float32")
PER_STEP = (STEPS[..., 0] > 0).astype("int32") + (STEPS[..., 1] > 0)


@pytest.mark.parametrize(
    ("model", "x", "y", "expected"),
    [
        (lambda: dense(1), X, FLOATS, lambda z: squared(z[:, 0], FLOATS)),
        (lambda: dense(1), X, FLOATS[:, None].astype("float64"), lambda z: squared(z[:, 0], FLOATS)),
        (lambda: dense(1, "relu"), X, FLOATS, lambda z: squared(z[:, 0], FLOATS)),
        (lambda: dense(3), X, X[:, 1:4], lambda z: squared(z, X[:, 1:4])),
        (lambda: dense(1, inputs=(4, 6)), STEPS, STEPS[..., 2], lambda z: squared(z[..., 0], STEPS[..., 2])),
        (lambda: dense(1), X, ZEROS_ONES, lambda z: binary(z[:, 0], ZEROS_ONES)),
        (lambda: dense(1), X, ZEROS_ONES.astype(bool), lambda z: binary(z[:, 0], ZEROS_ONES)),
        (lambda: dense(1), X, ZEROS_ONES[:, None].astype("int64"), lambda z: binary(z[:, 0], ZEROS_ONES)),
        (lambda: dense(1, "sigmoid"), X, ZEROS_ONES * 0.8, lambda z: binary(z[:, 0], ZEROS_ONES * 0.8, True)),
        (lambda: dense(1, inputs=(4, 6)), STEPS, PER_STEP > 0, lambda z: binary(z[..., 0], PER_STEP > 0)),
        (lambda: dense(3), X, WHOLE, lambda z: sparse(z, WHOLE)),
        (lambda: dense(3), X, WHOLE.astype("float32"), lambda z: sparse(z, WHOLE)),
        (lambda: dense(3, inputs=(4, 6)), STEPS, PER_STEP, lambda z: sparse(z, PER_STEP)),
        (lambda: dense(3, inputs=(4, 6)), STEPS, PER_STEP[..., None], lambda z: sparse(z, PER_STEP)),
        (lambda: dense(3), X, ROWS, lambda z: categorical(z, ROWS)),
        (lambda: dense(3), X, ROWS.astype("int32"), lambda z: categorical(z, ROWS)),
        (lambda: dense(3, inputs=(4, 6)), STEPS, np.eye(3)[PER_STEP], lambda z: categorical(z, np.eye(3)[PER_STEP])),
        (lambda: dense(3), X, SEVERAL, lambda z: binary(z, SEVERAL)),
        (lambda: dense(3), X, SEVERAL.astype(bool), lambda z: binary(z, SEVERAL)),
    ],
)
def test_default_loss_and_metric(model, x, y, expected):
    """They are those of the formula, on the outputs before training; and training lowers the loss."""
    model, data = model(), batched(x, y)
    outputs = np.asarray(model(x), "float64")
    assert evaluate(model, data) == pytest.approx(expected(outputs), rel=1e-4, abs=1e-5)
    history = fit(model, data, validation_data=data, epochs=3, optimizer=keras.optimizers.Adam(0.03), verbose=0).history
    assert history["loss"][2] < history["loss"][0] and history["val_loss"][2] < history["loss"][0]


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (lambda: dense(3), FLOATS, r"no loss fits outputs of shape \(None, 3\) and float32 labels of shape \(None,\)"),
        (lambda: dense(3), X[:, :2], "no loss fits .* give `loss`"),
        (lambda: dense(2), WHOLE.astype("float32"), "no loss fits"),  # class 2 of two
        (lambda: dense(1), (X > 0).astype("int32"), "no loss fits"),
    ],
)
def test_refused_without_a_loss(model, y, message):
    with pytest.raises(ValueError, match=message):
        fit(model(), batched(X, y), verbose=0)


def test_whole_numbers_of_one_output_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match="to predict a number give loss='mse'"):
        fit(dense(1), batched(X, WHOLE * 5), epochs=50, optimizer=keras.optimizers.Adam(0.3), verbose=0)


def test_class_weights_are_for_classes():
    with pytest.raises(ValueError, match="class_weight needs one class an example, got .* numbers to predict"):
        fit(dense(1), batched(X, FLOATS), class_weight={0: 2.0}, verbose=0)
    with pytest.raises(ValueError, match="class_weight needs one class an example, got labels of shape"):
        fit(dense(3, inputs=(4, 6)), batched(STEPS, PER_STEP), class_weight={0: 2.0}, verbose=0)


def two_inputs(given):
    keras.utils.set_random_seed(7)
    one, steps = keras.Input((6,), name="zone"), keras.Input((4, 6), name="hour")
    joined = layers.Concatenate()([one, layers.GlobalAveragePooling1D()(steps)])
    return keras.Model(given(one, steps), layers.Dense(1)(layers.Dense(5, "tanh")(joined)))


class Subclassed(keras.Model):
    """Made of its inputs when it is first called."""

    def __init__(self):
        super().__init__()
        self.hidden, self.head = layers.Dense(5, "tanh"), layers.Dense(1)

    def call(self, inputs):
        return self.head(self.hidden(keras.ops.concatenate([inputs["zone"], inputs["hour"][:, 0]], axis=-1)))


STRUCTURES = {
    "dict": lambda one, steps: {"zone": one, "hour": steps},
    "list": lambda one, steps: [one, steps],
    "tuple": lambda one, steps: (one, steps),
}


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("replicas", [1, 2])
def test_several_inputs_equal_keras(structure, replicas, two_replicas, tmp_path):
    given = STRUCTURES[structure]
    in_batches = {"list": STRUCTURES["tuple"]}.get(structure, given)  # a list would be one tensor to tf.data
    data = batched(in_batches(X, STEPS), FLOATS)
    strategy = two_replicas if replicas == 2 else tf.distribute.get_strategy()
    with strategy.scope():
        model = two_inputs(given)
    history = fit(model, data, epochs=2, validation_data=data, strategy=strategy, run_dir=tmp_path, verbose=0).history
    stock = two_inputs(given)
    stock.compile("adam", "mse", metrics=["mae"], jit_compile=False)
    expected = stock.fit(data, epochs=2, validation_data=data, shuffle=False, verbose=0).history
    assert history.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4, err_msg=name)
    assert keras.saving.load_model(tmp_path / "model.keras")


def test_inputs_by_name_in_any_order_and_of_a_model_not_built():
    data = batched({"hour": STEPS, "zone": X}, FLOATS)
    model = two_inputs(STRUCTURES["list"])  # Keras finds them by name
    fit(model, data, verbose=0)
    model = Subclassed()
    history = fit(model, data, loss="mse", metrics=["mae"], epochs=2, verbose=0).history
    assert history["loss"][1] < history["loss"][0] and "mae" in history
    with pytest.raises(ValueError, match=r"single examples, inputs of shape \(4, 6\) and \(6,\)"):
        fit(two_inputs(STRUCTURES["dict"]), data.unbatch(), verbose=0)


def test_several_outputs_train_with_a_loss():
    keras.utils.set_random_seed(7)
    inputs = keras.Input((6,))
    model = keras.Model(inputs, {"a": layers.Dense(1, name="a")(inputs), "b": layers.Dense(3, name="b")(inputs)})
    data = batched(X, {"a": FLOATS, "b": WHOLE})
    with pytest.raises(ValueError, match="give `loss`: there is no default for a model of several outputs"):
        fit(model, data, verbose=0)
    losses = {"a": "mse", "b": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    history = fit(model, data, loss=losses, epochs=3, optimizer=keras.optimizers.Adam(0.03), verbose=0).history
    assert history["loss"][2] < history["loss"][0]


def test_what_is_tried_before_a_training_takes_any_target():
    data = batched({"zone": X, "hour": STEPS}, FLOATS)
    model = two_inputs(STRUCTURES["dict"])
    assert len(lr_find(model, data, steps=10, rates=(1e-7, 1e-3)).rates) == 10
    assert [trial.batch_size for trial in probe_batch_sizes(model, next(iter(data)), largest=2)] == [1, 2]
    found = overfit_one_batch(model, next(iter(data)), steps=300, learning_rate=0.03, target=0.1)
    assert found.passed and found.expected is None and found.accuracy is None
    assert "accuracy" not in found.findings()[-1][1]
    per_step = overfit_one_batch(dense(3, inputs=(4, 6)), (STEPS[:4], PER_STEP[:4]), steps=3)
    assert per_step.expected == pytest.approx(np.log(3)) and per_step.examples == 4
