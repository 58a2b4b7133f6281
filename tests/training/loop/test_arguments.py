"""What `fit` refuses, and that it does so before it trains or writes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.training import evaluate, fit, lr_find, overfit_one_batch


def make_model():
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])


def make_data():
    return tf.data.Dataset.from_tensor_slices((np.ones((16, 6), "float32"), np.ones(16, "int32"))).batch(8)


DATA = make_data()
WEIGHTED = DATA.map(lambda x, y: (x, y, tf.ones(8)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": -1}, "epochs must be 0 or more, got -1"),
        ({"steps_per_execution": 0}, "steps_per_execution must be 'auto', or 1 or more, got 0"),
        ({"steps_per_execution": "all"}, "steps_per_execution must be 'auto', or 1 or more, got 'all'"),
        ({"verbose": 3}, "verbose must be 'auto', 0, 1 or 2, got 3"),
        ({"class_weight": {5: 1.0}}, "class 5, and there are the classes 0 to 1"),
        ({"class_weight": {1: 2.0}, "train": WEIGHTED}, "batches with sample weights of their own"),
        ({"train": DATA.take(0)}, "the training data set is empty"),
        ({"train": DATA.filter(lambda x, y: False)}, "the training data set is empty"),
        ({"train": DATA.repeat()}, r"training data set has no end: give steps_per_epoch, or .* as with .take\(1000\)"),
        ({"train": DATA.map(lambda x, y: x)}, r"\(inputs, labels\)"),
        ({"validation_data": DATA.take(0)}, "the validation data set is empty"),
        ({"validation_data": DATA.repeat()}, "the validation data set has no end: give validation_steps"),
        ({"initial_epoch": -1}, "initial_epoch must be 0 or more, got -1"),
        ({"steps_per_epoch": 0}, "steps_per_epoch must be None, or 1 or more, got 0"),
        ({"validation_steps": 1.5}, "validation_steps must be None, or 1 or more, got 1.5"),
        ({"validation_freq": 0}, "validation_freq must be 1 or more, or a list of epochs counted from 1, got 0"),
        ({"validation_freq": [0]}, r"validation_freq must be .* got \[0\]"),
    ],
)
def test_arguments_out_of_range(arguments, message, tmp_path):
    arguments = {"train": DATA, "verbose": 0, "run_dir": tmp_path / "run"} | arguments
    with pytest.raises(ValueError, match=message):
        fit(make_model(), **arguments)
    assert not list(tmp_path.glob("run/checkpoints/*"))


def test_a_model_of_another_strategy(two_replicas):
    with two_replicas.scope():
        theirs = make_model()
    for act, model, options in (
        (fit, make_model(), {"strategy": two_replicas}),
        (evaluate, make_model(), {"strategy": two_replicas}),
        (fit, theirs, {}),
    ):
        with pytest.raises(ValueError, match="must be the one under whose scope the model was made: .*/kernel is not"):
            act(model, DATA, **options)
    assert evaluate(theirs, DATA) == pytest.approx(evaluate(theirs, DATA, strategy=two_replicas), abs=1e-6)


@pytest.mark.parametrize("act", [fit, evaluate])
def test_a_metric_of_several_numbers(act):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse", metrics=[keras.metrics.F1Score()], jit_compile=False)
    with pytest.raises(ValueError, match=r"metric 'f1_score' must give one number, got shape \(3,\): .*\"macro\""):
        act(model, DATA.map(lambda x, y: (x, tf.one_hot(y, 3))))


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return np.ones((8, 6), "float32"), np.ones(8, "int32")


ARRAYS = np.ones((16, 6), "float32"), np.ones(16, "int32")
NO_BATCHES = [
    (ARRAYS[0], r"got ndarray: make one with .*from_tensor_slices\(\(inputs, labels\)\)\.batch\(64\)"),
    (ARRAYS, r"got tuple: make one with .*from_tensor_slices"),
    ([[1.0] * 6] * 3, r"got list: make one with .*from_tensor_slices"),
    (Batches(), r"got Batches: make one with tf\.data\.Dataset\.from_generator"),
    ((pair for pair in [ARRAYS]), r"got generator: make one with .*from_generator"),
    (DATA.unbatch(), r"single examples, inputs of shape \(6,\): add \.batch\(64\)"),
    (DATA.map(lambda x, y: (x[0], y)), r"single examples, inputs of shape \(6,\)"),
]


def no_input_yet():
    return keras.Sequential([keras.layers.Dense(1)])


@pytest.mark.parametrize(
    "act",
    [
        fit,
        evaluate,
        lr_find,
        lambda model, data: fit(model, DATA, validation_data=data),
    ],
)
def test_what_gives_no_batches(act):
    for data, message in NO_BATCHES:
        with pytest.raises(ValueError, match=message) as raised:
            act(make_model(), data)
        assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match="single examples"):  # by its labels: the model's inputs are not known
        act(no_input_yet(), DATA.unbatch())


def test_what_is_no_batch():
    x, y = next(iter(DATA))
    for batch, message in (
        (DATA, r"batch must be \(inputs, labels\), as next\(iter\(data\)\) .* got _BatchDataset"),
        (x, "batch must be"),
        ((x, y, y), "batch must be"),
        ((x[0], y[0]), r"a single example: .*\.batch\(32\)"),
    ):
        with pytest.raises(ValueError, match=message):
            overfit_one_batch(make_model(), batch)
