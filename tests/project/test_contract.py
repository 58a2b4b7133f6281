"""The contract of every exported layer and model: configuration, gradients, shapes, precision, saving."""

import functools
import importlib.util
import inspect
import json
import os
import subprocess
import sys

import contract
import keras
import numpy as np
import pytest
import tensorflow as tf
from contract import CLASSES, EXAMPLES, as_model, inputs, saved_variants
from warm_processes import Process

TORCH = importlib.util.find_spec("torch") is not None
every_name = pytest.mark.parametrize("name", sorted(CLASSES))


def plain(value):
    """Return an argument's value as a JSON file holds it."""
    if isinstance(
        value, keras.regularizers.Regularizer | keras.initializers.Initializer | keras.constraints.Constraint
    ):
        value = keras.saving.serialize_keras_object(value)
    return json.loads(json.dumps(value))


def numbers(make, ids):
    """Return a layer or model, and all it computes from one seed: weights, outputs without and with dropout, losses."""
    keras.utils.set_random_seed(1)
    item = make()
    outputs = [item(ids)]
    if "training" in inspect.signature(item.call).parameters:
        outputs.append(item(ids, training=True))
    return item, [np.asarray(x) for x in [*outputs, *item.weights, *item.losses]]


@functools.cache
def called(name, which):
    """Return a layer or model, the output shape it computed before it was built, its batch and its output.

    Building takes most of the time: what one test makes serves the others, which leave its weights alone.
    """
    item, batch = CLASSES[name](**saved_variants(name)[which]), inputs(name, which)
    shape = tuple(item.compute_output_shape(batch.shape))
    return item, shape, batch, item(batch)


def test_each_has_an_example():
    assert sorted(EXAMPLES) == sorted(CLASSES)


@every_name
def test_example_sets_every_argument_off_its_default(name):
    parameters = dict(inspect.signature(CLASSES[name].__init__).parameters)
    example = EXAMPLES[name]
    given = {**example.required, **example.others}
    defaults = {k: p.default for k, p in parameters.items() if k != "self" and p.kind != p.VAR_KEYWORD}
    assert given.keys() == defaults.keys()
    assert [k for k, value in given.items() if value == defaults[k]] == []
    assert {k for k, default in defaults.items() if default is inspect.Parameter.empty} == example.required.keys()


@every_name
def test_config_survives_json_by_its_numbers(name):
    cls, example = CLASSES[name], EXAMPLES[name]
    given = {**example.required, **example.others}
    batch = inputs(name, "others")
    item, expected = numbers(lambda: cls(**given), batch)
    config = plain(item.get_config())
    assert {k: config[k] for k in given} == {k: plain(value) for k, value in given.items()}
    revived, got = numbers(lambda: cls.from_config(config), batch)
    assert plain(revived.get_config()) == config
    for one, other in zip(expected, got, strict=True):
        np.testing.assert_array_equal(other, one)


@every_name
@pytest.mark.parametrize("which", ["defaults", "others"])
def test_gradient_reaches_every_trainable_weight(name, which):
    item, _, batch, _ = called(name, which)
    # A maximum of twelve words need not be given by each of them: ids of one word a row reach every row of a table.
    if batch.dtype == "int32":
        batch = np.tile(np.arange(contract.VOCABULARY, dtype="int32")[:, None], (1, 9))
    with tf.GradientTape() as tape:
        output = item(batch)
        loss = tf.reduce_sum(tf.square(tf.cast(output, "float32") + 0.1))
    gradients = tape.gradient(loss, [weight.value for weight in item.trainable_variables])
    for weight, gradient in zip(item.trainable_variables, gradients, strict=True):
        assert gradient is not None, weight.path
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.all(np.isfinite(gradient)) and np.any(gradient != 0), weight.path


@every_name
@pytest.mark.parametrize("which", ["defaults", "others"])
def test_output_shape_is_as_computed(name, which):
    item, expected, batch, output = called(name, which)
    assert tuple(output.shape) == expected
    unknown = (None,) * (batch.ndim - 2) + batch.shape[-1:] if batch.ndim > 2 else (None,)
    symbolic = item(keras.Input(unknown, dtype=batch.dtype.name))
    assert len(symbolic.shape) == len(expected)
    assert all(a in (None, b) for a, b in zip(symbolic.shape, expected, strict=True))
    assert symbolic.dtype == output.dtype.name


@every_name
def test_mixed_precision_keeps_float32_weights(name):
    item, _, _, output = called(name, "mixed")
    assert {weight.dtype for weight in item.trainable_variables} <= {"float32"}
    if isinstance(item, keras.Model):
        assert output.dtype.name == "float32"
    elif name not in ("DistinctTokens", "FixedLength", "IdRange"):  # whose output is ids
        assert output.dtype.name == "float16"
    assert np.all(np.isfinite(output))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Save everything, then let one fresh process for each backend answer."""
    directory = tmp_path_factory.mktemp("saved")
    for name in CLASSES:
        for which, arguments in saved_variants(name).items():
            model = as_model(name, arguments)
            rng = np.random.default_rng(0)
            for weight in model.weights:  # a batch norm's fresh statistics would hide their loss
                if weight.dtype in ("float32", "float64"):
                    weight.assign(rng.uniform(0.1, 0.7, weight.shape) - 0.4 * ("variance" not in weight.path))
            model.save(directory / f"{name}-{which}.keras")
            np.save(
                directory / f"{name}-{which}.npy",
                keras.ops.convert_to_numpy(model(inputs(name, which), training=False)),
            )
    command = [contract.__file__, str(directory)]
    processes = [Process(command)]
    if TORCH:
        torch = {"env": {**os.environ, "KERAS_BACKEND": "torch"}, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen([sys.executable, *command], **torch, text=True))
    for process in processes:
        errors = process.communicate(timeout=300)[1]
        assert process.returncode == 0, errors
    return directory


@every_name
@pytest.mark.parametrize(
    "backend",
    [
        "tensorflow",
        pytest.param("torch", marks=pytest.mark.skipif(not TORCH, reason="needs PyTorch: make .venv/bench")),
    ],
)
def test_saved_model_answers_the_same_in_a_fresh_process(saved, name, backend):
    for which in saved_variants(name):
        expected = np.load(saved / f"{name}-{which}.npy")
        tolerance = 1e-6 if backend == "tensorflow" else 2e-2 if which == "mixed" else 1e-4
        got = np.load(saved / f"{name}-{which}.{backend}.npy")
        assert got.dtype == expected.dtype and np.all(np.isfinite(got)), which
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance, err_msg=which)
