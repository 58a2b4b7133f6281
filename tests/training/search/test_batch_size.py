"""The batch-size probe: what it takes is what the arithmetic needs, it stops in time, and leaves the model alone."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.training import probe_batch_sizes
from tfconv.training.search import batch_size

L = keras.layers


def wide_model(units=2048):
    inner = [L.Dense(units, activation="relu"), L.BatchNormalization(), L.Dropout(0.5)]
    model = keras.Sequential([keras.Input((8,)), *inner, L.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    return model


def batch(n=5):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 8)).astype("float32"), np.arange(n) % 3


def sizes(trials):
    return [trial.batch_size for trial in trials]


@pytest.mark.skipif(batch_size.resident() is None, reason="needs /proc")
def test_memory_is_that_of_the_activations():
    """In a process of its own: in this one, memory that earlier tests gave back is taken again unseen."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from tfconv import runtime; runtime.configure('text')\n"
        "import json, test_batch_size as here\n"
        "print(json.dumps(here.probe_batch_sizes(here.wide_model(), here.batch(), largest=2048)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    trials = json.loads(done.stdout.splitlines()[-1])
    assert [size for size, _, _ in trials] == [2**k for k in range(12)]
    one = 2048 * 2048 * 4  # bytes of one layer's activations at the largest size
    (_, half, _), (_, whole, _) = trials[-2:]
    assert 2 * one < whole < 30 * one  # two are kept for the gradient
    assert whole > 1.5 * half - 4 * 2**20
    assert all(speed > 0 for _, _, speed in trials)


def test_the_model_is_left_as_it_was():
    model = wide_model(16)
    model.fit(*batch(), verbose=0)
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    before, attributes = [variable.numpy().tobytes() for variable in variables], dict(vars(model))
    assert sizes(probe_batch_sizes(model, batch(), largest=4)) == [1, 2, 4]
    assert [variable.numpy().tobytes() for variable in variables] == before
    assert all(vars(model)[name] is value for name, value in attributes.items())


@pytest.mark.parametrize("taken", [100, 1000])
def test_it_stops_before_memory_does(taken, monkeypatch):
    """A step that takes `taken` bytes an example, 8000 bytes free: 2.5 times what half took must be below 6400."""
    monkeypatch.setattr(batch_size, "available", lambda: 8000)
    running = []
    monkeypatch.setattr(batch_size, "resident", lambda: (0, running[-1] * taken if running else 0))
    repeated = batch_size._repeated
    monkeypatch.setattr(batch_size, "_repeated", lambda b, size: running.append(size) or repeated(b, size))
    trials = probe_batch_sizes(wide_model(4), batch(), largest=4096)
    expected = {100: [1, 2, 4, 8, 16, 32], 1000: [1, 2, 4]}[taken]
    assert sizes(trials) == expected and max(running) == expected[-1]
    assert [trial.memory for trial in trials] == [taken * size for size in expected]


@pytest.mark.parametrize("most", [0, 1, 5])
def test_a_device_that_runs_out_of_memory(most, monkeypatch):
    make = batch_size.make_runner

    def limited(*args, **kwargs):
        run = make(*args, **kwargs)

        def step(iterator, count):
            if len(next(iterator)[1]) > most:
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            return run(iterator, count)

        return step

    monkeypatch.setattr(batch_size, "make_runner", limited)
    if most:
        assert sizes(probe_batch_sizes(wide_model(4), batch())) == [2**k for k in range(12) if 2**k <= most]
    else:
        with pytest.raises(tf.errors.ResourceExhaustedError):
            probe_batch_sizes(wide_model(4), batch())


def test_it_stops_when_a_step_takes_long():
    assert sizes(probe_batch_sizes(wide_model(4), batch(), step_seconds=1e-9)) == [1]


def test_where_memory_is_unknown(monkeypatch):
    monkeypatch.setattr(batch_size, "resident", lambda: None)
    monkeypatch.setattr(batch_size, "available", lambda: None)
    trials = probe_batch_sizes(wide_model(4), batch(), largest=4)
    assert [trial.memory for trial in trials] == [None] * 3


def test_repeated_batches_hold_the_examples_in_turn():
    x, y = batch(3)
    got_x, got_y = next(iter(batch_size._repeated((tf.constant(x), tf.constant(y)), 7)))
    np.testing.assert_array_equal(got_x, x[[0, 1, 2, 0, 1, 2, 0]])
    np.testing.assert_array_equal(got_y, [0, 1, 2, 0, 1, 2, 0])


@pytest.mark.parametrize("version", [1, 2])
def test_control_groups(version, tmp_path):
    """What is left is the limit less what is used, cached files not counted; groups without a limit say nothing."""
    root, own = tmp_path / "cgroup", tmp_path / "own"
    top = root / "memory" if version == 1 else root
    limit, usage, cached = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }[version]
    for folder, most, used, files in (
        ("pod", "5000", 4500, 700),
        ("pod/box", "9000", 100, 0),
        ("pod/box/in", "max", 1, 0),
    ):
        (top / folder).mkdir(parents=True)
        (top / folder / limit).write_text(most + "\n")
        (top / folder / usage).write_text(f"{used}\n")
        (top / folder / "memory.stat").write_text(f"anon 3\n{cached} {files}\n")
    own.write_text("3:cpu:/\n0::/pod/box/in\n" if version == 2 else "4:memory:/pod/box/in\n")
    assert sorted(batch_size._groups_leave(root, own)) == [5000 - 4500 + 700, 8900]
    own.write_text("")
    assert batch_size._groups_leave(root, own) == [] == batch_size._groups_leave(root, tmp_path / "none")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch": batch(0)}, "batch must hold one example or more, got none"),
        ({"largest": 0}, "largest must be 1 or more, got 0"),
        ({"step_seconds": 0.0}, "step_seconds must be above 0, got 0.0"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(ValueError, match=message):
        probe_batch_sizes(wide_model(4), **{"batch": batch(), **arguments})
