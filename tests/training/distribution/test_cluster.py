"""Which workers the environment names: TF_CONFIG, Slurm's variables against the TF_CONFIG they stand for, mistakes."""

import json
import os

import pytest
from warm_processes import Process

from tfconv.errors import InputError
from tfconv.training.distribution.cluster import resolver_from_environment

TWO = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    """The environment of a process that nobody started as one of several."""
    for name in os.environ:
        if name.startswith("SLURM_") or name == "TF_CONFIG":
            monkeypatch.delenv(name)


def slurm(nodes, tasks, rank, node=None, local=None, job=0):
    """What srun sets for one of its tasks."""
    return {
        "SLURM_JOB_ID": str(job),
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NUM_TASKS": str(sum(tasks)),
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": ",".join(map(str, tasks)),
        "SLURM_PROCID": str(rank),
        **({} if node is None else {"SLURM_NODEID": str(node), "SLURM_LOCALID": str(local)}),
    }


def resolved(monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = resolver_from_environment()
    return found and (found.cluster_spec().as_dict(), found.task_type, found.task_id)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TF_CONFIG": ""},
        {"TF_CONFIG": " {} "},
        slurm("n1", [1], 0),
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"},  # a batch script, outside srun
    ],
)
def test_no_workers_are_named(environment, monkeypatch):
    assert resolved(monkeypatch, environment) is None


@pytest.mark.parametrize("index", [1, "1"])
def test_tf_config_is_read_and_comes_first(index, monkeypatch):
    config = {"cluster": TWO["cluster"], "task": {"type": "worker", "index": index}}
    environment = slurm("n[1-2]", [1, 1], 0) | {"TF_CONFIG": json.dumps(config)}
    assert resolved(monkeypatch, environment) == (TWO["cluster"], "worker", 1)


def test_tf_config_with_a_chief(monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["[::1]:2", "c:3"]}
    config = {"cluster": cluster, "task": {"type": "chief", "index": 0}}
    assert resolved(monkeypatch, {"TF_CONFIG": json.dumps(config)}) == (cluster, "chief", 0)


def with_task(**task):
    return json.dumps(TWO | {"task": {"type": "worker", "index": 0} | task})


def with_cluster(**cluster):
    return json.dumps(TWO | {"cluster": {"worker": ["a:1", "b:2"]} | cluster})


MISTAKES = [
    ("{'cluster': 1}", r"TF_CONFIG is no JSON \(Expecting .*must be like \{"),
    ("[" * 100_000, r"TF_CONFIG is no JSON"),
    ("[1]", r"must be a JSON object like .*, got \[1\]"),
    ('{"cluster": {}}', r"must have a cluster, and a task with type and index"),
    ('{"task": {"type": "worker", "index": 0}}', r"must have a cluster, and a task"),
    (json.dumps(TWO | {"task": {"type": "worker"}}), r"must have a cluster, and a task"),
    (json.dumps(TWO | {"cluster": ["a:1"]}), r"must have a cluster, and a task"),
    (with_cluster(ps=["c:3"]), r"names 'ps' tasks: tfconv trains with one 'chief' at most and with 'worker'"),
    (with_cluster(chief=["c:3", "d:4"]), r"names 2 chiefs: one at most"),
    (with_cluster(worker=[]), r"worker must be a list of HOST:PORT, got \[\]"),
    (with_cluster(worker=["a"]), r"must be a list of HOST:PORT, got \[\"a\"\]"),
    (with_cluster(worker=["a:0"]), r"must be a list of HOST:PORT"),
    (with_cluster(worker=["a:99999"]), r"must be a list of HOST:PORT"),
    (with_cluster(worker="a:1"), r"must be a list of HOST:PORT"),
    (with_cluster(worker=["a:1", "a:1"]), r"gives a:1 to two workers"),
    (with_cluster(chief=["b:2"]), r"gives b:2 to two workers"),
    (with_task(index=2), r"says this is worker 2, and its cluster has 2, counted from 0"),
    (with_task(index=-1), r"task index must be a number from 0, got -1"),
    (with_task(index=True), r"task index must be a number from 0, got True"),
    (with_task(index=0.5), r"task index must be a number from 0, got 0.5"),
    (with_task(index=None), r"task index must be a number from 0, got None"),
    (with_task(type="chief"), r"says this is a 'chief', and its cluster has only 'worker'"),
    (with_task(type=["worker"]), r"says this is a \['worker'\]"),
]


@pytest.mark.parametrize(("written", "message"), MISTAKES)
def test_mistake_in_tf_config_is_one_line(written, message, monkeypatch):
    with pytest.raises(InputError, match=message) as caught:
        resolved(monkeypatch, {"TF_CONFIG": written})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("nodes", "tasks", "names"),
    [
        ("n[1-3]", [1, 1, 1], ["n1", "n2", "n3"]),
        ("n[9-11]", [1, 1, 1], ["n9", "n10", "n11"]),  # as strings n10, n11, n9
        ("n[8,10],gpu-07", [2, 1, 3], ["n8", "n8", "n10", "gpu-07", "gpu-07", "gpu-07"]),
        ("n[098-101]", [1, 1, 1, 1], ["n098", "n099", "n100", "n101"]),
        ("login", [4], ["login"] * 4),
    ],
)
def test_slurm_gives_what_tf_config_would(nodes, tasks, names, monkeypatch):
    place = [(node, local) for node, count in enumerate(tasks) for local in range(count)]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for rank, (node, local) in enumerate(place):
        cluster, kind, index = resolved(monkeypatch, slurm(nodes, tasks, rank, node, local))
        assert [address.rpartition(":")[0] for address in cluster["worker"]] == names
        assert (kind, index) == ("worker", rank)
        ports = [int(address.rpartition(":")[2]) for address in cluster["worker"]]
        assert [port - ports[0] for port in ports] == [local for _, local in place]
        config = {"cluster": cluster, "task": {"type": kind, "index": index}}
        with monkeypatch.context() as other:
            assert resolved(other, {"TF_CONFIG": json.dumps(config)}) == (cluster, kind, index)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ  # Slurm's own binding stays


def test_slurm_repeats_in_the_list_of_tasks(monkeypatch):
    environment = slurm("n[1-3]", [1], 4) | {"SLURM_STEP_NUM_TASKS": "5", "SLURM_STEP_TASKS_PER_NODE": "2(x2),1"}
    cluster, _, index = resolved(monkeypatch, environment)
    assert [address.rpartition(":")[0] for address in cluster["worker"]] == ["n1", "n1", "n2", "n2", "n3"]
    assert index == 4


def test_slurm_jobs_side_by_side_have_ports_of_their_own(monkeypatch):
    ports = []
    for job in range(4_000_000, 4_000_050):
        cluster, _, _ = resolved(monkeypatch, slurm("n1", [64], 0, job=job))
        ports += [int(address.rpartition(":")[2]) for address in cluster["worker"]]
    assert len(set(ports)) == 50 * 64
    assert min(ports) >= 20_000 and max(ports) < 32_768  # where Linux begins to take clients' ports from


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"SLURM_STEP_NODELIST": "n[1-x]"}, r"Slurm step is not understood \(the node list 'n\[1-x\]'"),
        ({"SLURM_STEP_NODELIST": "rack[1-2]n[1-4]"}, r"Slurm step is not understood \(the node list 'rack"),
        ({"SLURM_STEP_TASKS_PER_NODE": "two"}, r"Slurm step is not understood \(the tasks per node 'two'"),
        (
            {"SLURM_STEP_TASKS_PER_NODE": "1"},
            r"Slurm step is not understood \(2 nodes with \[1\] tasks are not 3 tasks",
        ),
        ({"SLURM_PROCID": "first"}, r"Slurm step is not understood"),
        ({"SLURM_PROCID": "3"}, r"task 3 is not where .*srun --distribution=block"),
        ({"SLURM_PROCID": "1", "SLURM_NODEID": "1", "SLURM_LOCALID": "0"}, r"task 1 is not where .*=block"),  # cyclic
    ],
)
def test_slurm_step_that_is_not_understood_is_one_line(changed, message, monkeypatch):
    with pytest.raises(InputError, match=message):
        resolved(monkeypatch, slurm("n[1-2]", [2, 1], 0) | changed)


def test_slurm_step_without_its_node_list(monkeypatch):
    environment = slurm("n[1-2]", [1, 1], 0)
    del environment["SLURM_STEP_NODELIST"]
    with pytest.raises(InputError, match="SLURM_STEP_NODELIST is not set"):
        resolved(monkeypatch, environment)


WORKER = """
from tfconv import runtime
runtime.configure("text", threads=1)
import tensorflow as tf
from tfconv.training.distribution.cluster import resolver_from_environment
resolver = resolver_from_environment()
strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
own = strategy.run(lambda: tf.constant(10.0 ** resolver.task_id))
print(strategy.num_replicas_in_sync, float(strategy.reduce("SUM", own, axis=None)))
"""


def test_two_tasks_of_a_slurm_step_reduce_together(tmp_path):
    # A job number by this process's, so that two suites at once take different ports.
    environments = [slurm("localhost", [2], rank, 0, rank, job=os.getpid()) for rank in (0, 1)]
    clean = {name: value for name, value in os.environ.items() if name != "TF_CONFIG" and not name.startswith("SLURM_")}
    workers = [Process(["-c", WORKER], env=clean | environment) for environment in environments]
    try:
        answers = [worker.communicate(timeout=100) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [out for out, _ in answers] == ["2 11.0\n"] * 2, answers
