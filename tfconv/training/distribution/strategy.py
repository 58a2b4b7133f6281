"""Which `tf.distribute` strategy trains: one device, several in this process, or several processes."""

import functools
import sys

import tensorflow as tf

from tfconv.errors import InputError
from tfconv.training.distribution import strategy_names
from tfconv.training.distribution.waiting import ended_by_signals

__all__ = ["choose", "is_chief"]


def choose(name: str = "auto") -> tf.distribute.Strategy:
    """Return a `tf.distribute` strategy by its name.

    Call it before TensorFlow's first operation, and make the model in its scope.

    The batch size of the data is that of the whole batch: `fit` cuts each batch into one part a replica.

    Args:
        name: `"auto"`: several workers where the environment names them (`TF_CONFIG`, Slurm, Kubernetes), else all
            GPUs where there are several, else the one device. `"cpu:N"`: N replicas on this processor, to try out
            training on several devices. `"mirrored"`: all GPUs of this machine, or its processor. `"multiworker"`: as
            the environment says, an error where it says nothing.

    Returns:
        The strategy in force for `"auto"` on one device; else a `MirroredStrategy` or `MultiWorkerMirroredStrategy`.

    Raises:
        InputError: another name, an environment that names no workers or is not understood, or TensorFlow has run an
            operation already, after which devices and workers cannot be set up.
    """
    from tfconv.training.distribution.cluster import resolver_from_environment

    strategy_names.check(name)
    replicas = strategy_names.replicas_on_processor(name)
    if replicas is not None:
        return _on_processor(replicas)
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    resolver = resolver_from_environment()
    if resolver is not None:
        return _of_workers(resolver)
    if name == "multiworker":
        raise InputError(
            "no workers are named: set TF_CONFIG, start under Slurm or Kubernetes, or try "
            "`tfconv launch --workers 2 -- COMMAND`"
        )
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy | None = None) -> bool:
    """Whether this process writes the files of a training: the chief, or worker 0 where there is none.

    Args:
        strategy: default: the strategy in force.
    """
    resolver = getattr(strategy or tf.distribute.get_strategy(), "cluster_resolver", None)
    if resolver is None or not resolver.cluster_spec().jobs:
        return True
    if resolver.task_type == "chief":
        return True
    return resolver.task_type == "worker" and resolver.task_id == 0 and "chief" not in resolver.cluster_spec().jobs


@functools.cache  # two strategies of the same devices mix up their collective operations
def _on_processor(count: int) -> tf.distribute.Strategy:
    if count == 1:
        return tf.distribute.MirroredStrategy(["CPU:0"])
    try:
        (processor, *_) = tf.config.list_physical_devices("CPU")
        if len(tf.config.get_logical_device_configuration(processor) or ()) < count:
            tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * count)
    except RuntimeError:
        raise InputError(
            f"cpu:{count} needs {count} devices on the processor, and TensorFlow has started with fewer: choose the "
            "strategy before the first operation"
        ) from None
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)])


def _of_workers(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> tf.distribute.Strategy:
    if resolver.task_type not in ("chief", "worker"):
        raise InputError(
            f"this process is a {resolver.task_type!r}: tfconv trains with tasks 'chief' and 'worker' only"
        )
    cluster = resolver.cluster_spec().as_dict()
    hosts = [str(host) for job in sorted(cluster) for host in cluster[job]]
    if resolver.task_type == "chief" or (
        "chief" not in cluster and resolver.task_id == 0
    ):  # TensorFlow waits in silence
        print(f"waiting for all {len(hosts)} workers: {', '.join(hosts)}", file=sys.stderr, flush=True)
    try:
        with ended_by_signals():
            return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except RuntimeError as error:
        if "program startup" not in str(error):
            raise
        raise InputError("several workers must be chosen before TensorFlow's first operation") from None
