"""Several processes against one: equal weights, exact scores, and every way to be stopped. Real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv import InputError
from tfconv.training import strategy
from tfconv.training.feed import part, prepared

SCRIPT = Path(__file__).with_name("cluster_member.py")
KILLED_EPOCHS = 4


class Cluster:
    """Workers of one training, each with a folder of its own for what it writes."""

    def __init__(self, directory: Path, count: int, **options):
        self.directory, self.processes = directory, []
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        cluster = {"worker": [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]}
        for one in sockets:
            one.close()
        for index in range(count):
            environment = dict(os.environ)
            if count > 1:
                task = {"type": "worker", "index": index}
                environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
            folder = directory / str(index)
            folder.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, str(SCRIPT), "digest.json", json.dumps({"strategy": "auto", **options})]
            self.processes.append(
                subprocess.Popen(
                    command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
            )

    def wait_for_batches(self, number):
        for _ in range(number):
            line = self.processes[0].stdout.readline()
            while line and not line.startswith("batch"):
                line = self.processes[0].stdout.readline()
            assert line, self.processes[0].stderr.read()

    def finish(self, timeout=240):
        """Standard error and status of each worker."""
        ends = [(process.communicate(timeout=timeout)[1], process.returncode) for process in self.processes]
        return [(err, status) for err, status in ends]

    def digests(self):
        for err, status in self.finish():
            assert status == 0, err
        return [json.loads((self.directory / str(i) / "digest.json").read_text()) for i in range(len(self.processes))]


def own_lines(err):
    """The one line that a worker ends with, but for the chief's first."""
    lines = [line for line in err.splitlines() if not line.startswith("waiting for all 2 workers")]
    assert len(lines) == 1, err
    return lines[0]


def assert_equal(found, expected, tolerance):
    for one, other in zip(found["weights"], expected["weights"], strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)
    assert found["history"].keys() == expected["history"].keys()
    for name, values in expected["history"].items():
        np.testing.assert_allclose(found["history"][name], values, atol=tolerance, err_msg=name)
    assert found["scores"] == pytest.approx(expected["scores"], abs=tolerance)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One process on the whole batches, 54 steps."""
    return Cluster(tmp_path_factory.mktemp("alone"), 1, clip=0.5).digests()[0]


@pytest.mark.parametrize("count", [2, 4])
def test_workers_equal_one_process(count, alone, tmp_path):
    """With L2, batch norm, clipping; 21 examples to evaluate on, in batches of 8: no part is as large as another."""
    found = Cluster(tmp_path, count, clip=0.5, run_dir="run", writers=True).digests()
    for digest in found:
        assert digest["weights"] == found[0]["weights"] and digest["history"] == found[0]["history"]
        assert_equal(digest, alone, 1e-5)
    assert [digest["chief"] for digest in found] == [True] + [False] * (count - 1)
    for index in range(count):  # what each worker was asked to write into its own folder
        written = {path.name for path in (tmp_path / str(index)).iterdir()}
        assert written == {"digest.json"} | ({"run", "log.csv", "best.keras"} if index == 0 else set())


def test_exchanged_rows_equal_one_process(tmp_path):
    """Of an embedding's gradient; each replica's part of a batch has another number of words, so has each step's."""
    options = {"words": True, "clip": 0.5, "epochs": 3}
    alone = Cluster(tmp_path / "alone", 1, **options).digests()[0]
    for digest in Cluster(tmp_path / "two", 2, **options).digests():
        assert_equal(digest, alone, 1e-5)
    assert_equal(Cluster(tmp_path / "here", 1, **{**options, "strategy": "cpu:2"}).digests()[0], alone, 1e-5)


def test_replicas_in_one_process_equal_one(alone, tmp_path):
    assert_equal(Cluster(tmp_path, 1, clip=0.5, strategy="cpu:2").digests()[0], alone, 1e-5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two workers that nobody stops."""
    return Cluster(tmp_path_factory.mktemp("whole"), 2, epochs=KILLED_EPOCHS, run_dir="run").digests()[0]


def test_killed_worker_ends_the_others_and_the_same_command_goes_on(whole, tmp_path):
    options = {"epochs": KILLED_EPOCHS, "run_dir": "run", "resume": True, "checkpoint_seconds": 0.0}
    cluster = Cluster(tmp_path, 2, slow=0.1, **options)
    cluster.wait_for_batches(9)
    cluster.processes[1].send_signal(signal.SIGKILL)
    begin = time.monotonic()
    (err, status), _ = cluster.finish(timeout=60)
    assert time.monotonic() - begin < 60 and status == 1
    assert "another of the 2 workers stopped" in err and "start all again with resume=True (--resume)" in err
    assert "Traceback" not in err
    assert_equal(Cluster(tmp_path, 2, **options).digests()[0], whole, 1e-6)


def test_sigterm_of_one_worker_checkpoints_first(whole, tmp_path):
    options = {"epochs": KILLED_EPOCHS, "run_dir": "run", "resume": True}
    cluster = Cluster(tmp_path, 2, slow=0.1, **options)
    cluster.wait_for_batches(9)
    cluster.processes[1].send_signal(signal.SIGTERM)
    for err, status in cluster.finish(timeout=60):
        assert status == 128 + signal.SIGTERM
        assert "saved in run: go on with resume=True (--resume)" in err
    newest = max((tmp_path / "0" / "run" / "checkpoints").iterdir()).stem  # within the second epoch, where it stopped
    assert newest.startswith("epoch-0001-step-") and int(newest.split("-")[-1]) >= 3
    assert_equal(Cluster(tmp_path, 2, **options).digests()[0], whole, 1e-6)


def test_all_say_the_same_of_a_mistake_and_of_a_loss_that_is_no_number(tmp_path):
    (tmp_path / "0" / "run").mkdir(parents=True)
    (tmp_path / "0" / "run" / "config.json").write_text("{}")
    for err, status in Cluster(tmp_path, 2, run_dir="run").finish():  # only the chief can see it
        assert status == 2 and "run holds a run already" in own_lines(err)
    for err, status in Cluster(tmp_path / "nan", 2, nan=True).finish():  # only in the second worker's part
        assert status == 1 and "NonFiniteLossError: the loss is nan at step" in own_lines(err)


def test_the_chief_says_for_whom_it_waits(tmp_path):
    cluster = Cluster(tmp_path, 2)
    cluster.processes[1].kill()
    try:
        line = cluster.processes[0].stderr.readline()
        assert line.startswith("waiting for all 2 workers: 127.0.0.1:") and line.count("127.0.0.1:") == 2
    finally:
        cluster.processes[0].kill()
        cluster.finish()


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 16), st.integers(1, 5), st.booleans(), st.booleans())
def test_parts_hold_every_example_once(examples, batch, replicas, known_size, training):
    dataset = tf.data.Dataset.range(examples).batch(batch, drop_remainder=known_size and examples % batch == 0)
    wholes = [list(range(begin, min(begin + batch, examples))) for begin in range(0, examples, batch)]
    found = [
        [part((whole, whole), replica, replicas, training=training)[0].numpy().tolist() for replica in range(replicas)]
        for whole in prepared(dataset, replicas, training=training)
    ]
    joined = [sum(parts, []) for parts in found]
    if training:
        assert all(len({len(part) for part in parts}) == 1 for parts in found)
        assert joined == [whole[: len(whole) // replicas * replicas] for whole in wholes if len(whole) >= replicas]
    else:
        assert joined == wholes


@pytest.mark.parametrize("name", ["cpu:0", "cpu", "tpu", "", "cpu:two"])
def test_unknown_strategies_are_named(name):
    with pytest.raises(InputError, match="the strategy must be auto, cpu:N .N from 1., mirrored or multiworker"):
        strategy.choose(name)


def test_one_process_is_its_own_chief(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert strategy.is_chief() and strategy.choose("auto") is tf.distribute.get_strategy()
    with pytest.raises(InputError, match="no workers are named"):
        strategy.choose("multiworker")
    with pytest.raises(InputError, match="choose the strategy before the first operation"):
        strategy.choose("cpu:4")
    with pytest.raises(InputError, match="N must be from 1 to 16, got 64"):
        strategy.choose("cpu:64")
