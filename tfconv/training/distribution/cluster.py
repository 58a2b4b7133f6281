"""The workers that train together, as the environment names them.

`TF_CONFIG` comes first. Under Slurm the tasks of one `srun` are the workers. Under Kubernetes the manifest sets
`TF_CONFIG` (recipes/cluster/kubernetes.yaml): TensorFlow's `KubernetesClusterResolver` gives the addresses of nodes in
place of pods, in the order of the pods' names, in which 10 comes before 2; it fails while a pod is still starting, and
does not know which worker it runs in.
"""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfconv.errors import InputError

__all__: list[str] = []

_EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


def resolver_from_environment() -> tf.distribute.cluster_resolver.ClusterResolver | None:
    """Return the workers that the environment names, and which of them this process is.

    Returns:
        From `TF_CONFIG` where it is set and not empty (or `{}`); else from Slurm, in a step of several tasks; else
        `None`.

    Raises:
        InputError: `TF_CONFIG` cannot be read or contradicts itself, or the tasks of the Slurm step do not follow from
            its variables.
    """
    written = os.environ.get("TF_CONFIG", "").strip()
    if written and (config := _parsed(written)):
        _check(config)
        return tf.distribute.cluster_resolver.TFConfigClusterResolver()
    tasks = os.environ.get("SLURM_STEP_NUM_TASKS", "")  # srun sets it; in a batch script without srun there is one task
    if tasks.isdecimal() and int(tasks) > 1:
        return _of_slurm(int(tasks))
    return None


def _parsed(written: str) -> dict[str, Any]:
    try:
        config = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise InputError(f"TF_CONFIG is no JSON ({error}): it must be like {_EXAMPLE}") from None
    if not isinstance(config, dict):
        raise InputError(f"TF_CONFIG must be a JSON object like {_EXAMPLE}, got {written[:80]}")
    return config


def _check(config: dict[str, Any]) -> None:
    """Refuse what TensorFlow would hang on, or trip over without naming TF_CONFIG."""
    cluster, task = config.get("cluster"), config.get("task")
    if not isinstance(cluster, dict) or not isinstance(task, dict) or not {"type", "index"} <= task.keys():
        raise InputError(f"TF_CONFIG must have a cluster, and a task with type and index, like {_EXAMPLE}")
    for job, hosts in cluster.items():
        if job not in ("chief", "worker"):
            raise InputError(f"TF_CONFIG names {job!r} tasks: tfconv trains with one 'chief' at most and with 'worker'")
        if not isinstance(hosts, list) or not hosts or not all(_is_address(host) for host in hosts):
            raise InputError(f"TF_CONFIG's {job} must be a list of HOST:PORT, got {json.dumps(hosts)[:80]}")
    if len(cluster.get("chief", [])) > 1:
        raise InputError(f"TF_CONFIG names {len(cluster['chief'])} chiefs: one at most, the rest are workers")
    every = [host for hosts in cluster.values() for host in hosts]
    if twice := next((host for host in every if every.count(host) > 1), None):
        raise InputError(f"TF_CONFIG gives {twice} to two workers: each needs a host and port of its own")
    job, index = task["type"], task["index"]
    if not isinstance(job, str) or job not in cluster:
        raise InputError(f"TF_CONFIG says this is a {job!r}, and its cluster has only {', '.join(map(repr, cluster))}")
    if isinstance(index, bool) or not isinstance(index, int | str) or not str(index).isdecimal():
        raise InputError(f"TF_CONFIG's task index must be a number from 0, got {index!r}")
    if int(index) >= len(cluster[job]):
        raise InputError(
            f"TF_CONFIG says this is {job} {index}, and its cluster has {len(cluster[job])}, counted from 0"
        )


def _is_address(host: Any) -> bool:
    name, _, port = host.rpartition(":") if isinstance(host, str) else ("", "", "")
    return bool(name) and port.isdecimal() and 0 < int(port) < 2**16


def _of_slurm(tasks: int) -> tf.distribute.cluster_resolver.ClusterResolver:
    """The tasks of this Slurm step in the order of their ranks, which is that of its node list.

    TensorFlow's `SlurmClusterResolver` sorts the nodes as strings (n10 before n2), divides by zero on a node without
    GPUs, and where Slurm has given each task its GPUs it hands out others. Here each worker takes the GPUs that it
    sees.
    """
    port = _slurm_port()
    try:
        nodes = list(_nodes(os.environ["SLURM_STEP_NODELIST"]))
        counts = list(_tasks_per_node(os.environ["SLURM_STEP_TASKS_PER_NODE"]))
        rank = int(os.environ["SLURM_PROCID"])
        if len(nodes) != len(counts) or sum(counts) != tasks:
            raise ValueError(f"{len(nodes)} nodes with {counts} tasks are not {tasks} tasks")
    except KeyError as error:
        raise InputError(
            f"the Slurm step is not understood: {error.args[0]} is not set; set TF_CONFIG in its place"
        ) from None
    except ValueError as error:
        raise InputError(f"the Slurm step is not understood ({error}): set TF_CONFIG in its place") from None
    places = [(node, local) for node, count in enumerate(counts) for local in range(count)]
    node, local = (os.environ.get(name, "") for name in ("SLURM_NODEID", "SLURM_LOCALID"))
    placed = node.isdecimal() and local.isdecimal()
    if not 0 <= rank < tasks or (placed and places[rank] != (int(node), int(local))):
        raise InputError(
            f"Slurm's task {rank} is not where a step that fills node after node has it: srun --distribution=block"
        )
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": [f"{nodes[node]}:{port + local}" for node, local in places]}),
        task_type="worker",
        task_id=rank,
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
        rpc_layer="grpc",
    )


def _nodes(written: str) -> Iterator[str]:
    """The names in a node list of Slurm's, such as `n[08-10,12],login`.

    Raises:
        ValueError: it is none.
    """
    one = r"([^][,]+)(?:\[([-,\d]+)\])?"
    if not re.fullmatch(f"{one}(?:,{one})*", written):
        raise ValueError(f"the node list {written!r} is not like n[1-3,7],m5")
    for name, numbers in re.findall(one, written):
        for span in numbers.split(",") if numbers else ():
            first, _, last = span.partition("-")
            yield from (f"{name}{number:0{len(first)}}" for number in range(int(first), int(last or first) + 1))
        if not numbers:
            yield name


def _tasks_per_node(written: str) -> Iterator[int]:
    """The numbers in a list of Slurm's such as `2(x3),1`, which is 2, 2, 2, 1.

    Raises:
        ValueError: it is none.
    """
    for part in written.split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if found is None:
            raise ValueError(f"the tasks per node {written!r} are not like 2(x3),1")
        yield from [int(found[1])] * int(found[2] or 1)


def _slurm_port() -> int:
    """The first port of each node: another for another job or step, below those the system gives to clients."""
    job, step = (os.environ.get(name, "") for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    numbers = [int(number) if number.isdecimal() else 0 for number in (job, step)]
    return 20_000 + (97 * numbers[0] + 31 * numbers[1]) % 12_000
