"""Several processes against one: equal weights, exact scores, and every way to be stopped. Real processes."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from warm_processes import Process

from tfconv import InputError
from tfconv.training import strategy
from tfconv.training.loop.feed import part, prepared

SCRIPT = Path(__file__).parents[2] / "support" / "cluster_member.py"


class Cluster:
    """Workers of one training, each with a folder of its own for what it writes."""

    def __init__(self, directory: Path, count: int, *, start=None, **options):
        self.directory, self.processes, self._options = directory, [], options
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        self._hosts = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
        for one in sockets:
            one.close()
        self.start(count if start is None else start)

    def start(self, number):
        """The next workers of the cluster."""
        for index in range(len(self.processes), len(self.processes) + number):
            environment = dict(os.environ)
            if len(self._hosts) > 1:
                task = {"type": "worker", "index": index}
                environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": self._hosts}, "task": task})
            folder = self.directory / str(index)
            folder.mkdir(parents=True, exist_ok=True)
            command = [SCRIPT, "digest.json", json.dumps({"strategy": "auto", **self._options})]
            self.processes.append(Process(command, cwd=folder, env=environment))

    def wait_for_batches(self, number):
        for _ in range(number):
            line = self.processes[0].stdout.readline()
            while line and not line.startswith("batch"):
                line = self.processes[0].stdout.readline()
            assert line, self.processes[0].stderr.read()

    def finish(self, timeout=240):
        """Standard output, standard error and status of each worker."""
        return [(*process.communicate(timeout=timeout), process.returncode) for process in self.processes]

    def digests(self):
        for _, err, status in self.finish():
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
    return Cluster(tmp_path_factory.mktemp("alone"), 1, words=True).digests()[0]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two workers that nobody stops: their folder and their digests."""
    directory = tmp_path_factory.mktemp("two")
    return directory, Cluster(directory, 2, words=True, run_dir="run").digests()


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    directory = tmp_path_factory.mktemp("four")
    return directory, Cluster(directory, 4, run_dir="run").digests()


@pytest.mark.parametrize("workers", ["two", "four"])
def test_workers_equal_one_process(workers, alone, request):
    """With L2, batch norm, clipping; 21 examples to evaluate on, in batches of 8: no part is as large as another.

    Words give an embedding's gradient as rows: each worker's part has another number of words, so has each step's.
    """
    directory, found = request.getfixturevalue(workers)
    for digest in found:
        for name in ("pixels", "words") if workers == "two" else ("pixels",):
            assert digest[name]["weights"] == found[0][name]["weights"]
            assert digest[name]["history"] == found[0][name]["history"]
            assert_equal(digest[name], alone[name], 1e-5)
    assert [digest["chief"] for digest in found] == [True] + [False] * (len(found) - 1)
    for index in range(len(found)):  # what each worker was asked to write into its own folder
        written = {path.name for path in (directory / str(index)).iterdir()}
        assert written == {"digest.json"} | ({"run", "log.csv", "best.keras"} if index == 0 else set())


def test_replicas_in_one_process_equal_one(alone, tmp_path):
    (found,) = Cluster(tmp_path, 1, words=True, strategy="cpu:2").digests()
    for name in ("pixels", "words"):
        assert_equal(found[name], alone[name], 1e-5)


def test_killed_and_asked_to_stop_the_same_command_goes_on(two, tmp_path):
    options = {"run_dir": "run", "resume": True}
    cluster = Cluster(tmp_path, 2, slow=0.1, checkpoint_seconds=0.0, **options)
    cluster.wait_for_batches(3)
    cluster.processes[1].send_signal(signal.SIGKILL)
    begin = time.monotonic()
    (_, err, status), _ = cluster.finish(timeout=60)
    assert time.monotonic() - begin < 60 and status == 1
    assert "another of the 2 workers stopped" in err and "start all again with resume=True (--resume)" in err
    assert "Traceback" not in err

    cluster = Cluster(tmp_path, 2, start=1, slow=0.1, slow_write=4, **options)
    line = cluster.processes[0].stderr.readline()  # the other is not there yet
    assert line.startswith("waiting for all 2 workers: 127.0.0.1:") and line.count("127.0.0.1:") == 2
    cluster.start(1)
    cluster.wait_for_batches(6)
    cluster.processes[1].send_signal(signal.SIGTERM)
    cluster.processes[1].wait(timeout=60)  # where one has left, Slurm ends the others
    newest = max((tmp_path / "0" / "run" / "checkpoints").iterdir()).stem  # within the second epoch, where it stopped
    for _, err, status in cluster.finish(timeout=60):
        assert status == 128 + signal.SIGTERM
        assert "saved in run: go on with resume=True (--resume)" in err
    assert newest.startswith("epoch-0001-step-") and int(newest.split("-")[-1]) >= 2

    assert_equal(Cluster(tmp_path, 2, **options).digests()[0]["pixels"], two[1][0]["pixels"], 1e-6)


def test_a_worker_that_waits_for_the_others_ends_when_it_is_asked_to(tmp_path):
    cluster = Cluster(tmp_path, 2, start=1)
    assert cluster.processes[0].stderr.readline().startswith("waiting for all 2 workers")
    time.sleep(4)  # by then TensorFlow has taken the signal for itself
    cluster.processes[0].send_signal(signal.SIGTERM)
    ((_, err, status),) = cluster.finish(timeout=20)
    assert status in (-signal.SIGTERM, 128 + signal.SIGTERM) and "Traceback" not in err


def test_all_say_the_same_of_a_mistake_and_of_a_loss_that_is_no_number(tmp_path):
    (tmp_path / "0" / "old").mkdir(parents=True)
    (tmp_path / "0" / "old" / "config.json").write_text("{}")
    for out, err, status in Cluster(tmp_path, 2, refused="old", nan=True).finish():
        assert "refused: old holds a run already" in out  # only the chief can see it
        assert status == 1 and "NonFiniteLossError: the loss is nan at step" in own_lines(err)  # in the second's part


def test_a_worker_whose_step_waits_for_one_that_hangs_ends_when_asked_to(tmp_path):
    cluster = Cluster(tmp_path, 2, slow=0.1, patience=1)
    cluster.wait_for_batches(3)
    cluster.processes[1].send_signal(signal.SIGSTOP)
    time.sleep(1)
    cluster.processes[0].send_signal(signal.SIGTERM)
    try:
        _, err = cluster.processes[0].communicate(timeout=15)
    finally:
        cluster.processes[1].kill()
        cluster.processes[1].communicate()
    assert cluster.processes[0].returncode == 128 + signal.SIGTERM
    assert own_lines(err) == "stopped while waiting for another worker, which does not answer"


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
