"""Which batch sizes fit into memory, and how fast each is; and how much memory this process has (Linux)."""

import contextlib
import ctypes
import time
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfconv.training.loop.model_state import restored
from tfconv.training.loop.step import make_runner
from tfconv.training.search.lr_finder import compile_fresh

__all__ = ["BatchSizeTrial", "probe_batch_sizes"]


class BatchSizeTrial(NamedTuple):
    """A batch size that fits into memory.

    Attributes:
        batch_size: number of examples.
        memory: peak memory of a training step in bytes, beyond model and optimizer; `None` where unknown.
        examples_per_second: of training steps, without reading the data.
    """

    batch_size: int
    memory: int | None
    examples_per_second: float


def probe_batch_sizes(
    model: keras.Model,
    batch: tuple[Any, ...],
    *,
    optimizer: keras.optimizers.Optimizer | str | None = None,
    loss: Any = None,
    largest: int = 4096,
    step_seconds: float = 10.0,
) -> list[BatchSizeTrial]:
    """Try training steps with batches of 1, 2, 4 ... examples while they fit into memory.

    The model ends as it began. On a GPU a size is too large when its step runs out of memory. On a CPU a process that
    takes too much is killed, so a size is tried only if 2.5 times the memory that half of it took is within 80 % of
    what the machine, and the control group of a container, leave free.

    Args:
        model: built. Restored as by `lr_find`.
        batch: (inputs, labels) of one example or more, repeated to the size that is tried. Where examples differ in
            length, give the longest.
        optimizer: Default: like the one the model was compiled with, else Adam.
        loss: Default: what the model was compiled with, else as in `fit`.
        largest: largest batch size to try.
        step_seconds: no larger size is tried once a step takes longer.

    Returns:
        The sizes that fit, smallest first; the last is the largest that may be used on one device.

    Raises:
        ValueError: the batch is empty, or an argument is out of range.
        tf.errors.ResourceExhaustedError: not even one example fits.
    """
    if largest < 1:
        raise ValueError(f"largest must be 1 or more, got {largest}")
    if not step_seconds > 0:
        raise ValueError(f"step_seconds must be above 0, got {step_seconds}")
    batch = tf.nest.map_structure(tf.convert_to_tensor, batch)
    if not len(tf.nest.flatten(batch)[0]):
        raise ValueError("batch must hold one example or more, got none")
    trials: list[BatchSizeTrial] = []
    with restored(model):
        compile_fresh(model, _repeated(batch, 1), optimizer, loss)
        run = make_runner(model, tf.distribute.get_strategy(), training=True)
        _reset_peak()
        held = _held()
        size, seconds = 1, 0.0
        while size <= largest and seconds <= step_seconds and _will_fit(trials, held):
            _reset_peak()
            try:
                iterator = iter(_repeated(batch, size))
                run(iterator, tf.constant(1))  # the first of a size may trace and allocates
                steps, begin = 0, time.monotonic()
                while steps < 2 or time.monotonic() - begin < 0.2:
                    run(iterator, tf.constant(1))
                    steps += 1
                    seconds = (time.monotonic() - begin) / steps
                    if seconds > step_seconds:
                        break
            except tf.errors.ResourceExhaustedError:
                if not trials:
                    raise
                break
            peak = _peak()
            growth = None if peak is None or held is None else max(peak - held, 0)
            trials.append(BatchSizeTrial(size, growth, size / seconds))
            size *= 2
    return trials


def _repeated(batch: Any, size: int) -> tf.data.Dataset:
    """Return an endless data set of equal batches; its shape leaves their size open, so that a step is traced once."""

    def fill(count: tf.Tensor) -> Any:
        return tf.nest.map_structure(lambda values: tf.gather(values, tf.range(count) % len(values)), batch)

    return tf.data.Dataset.from_tensors(tf.constant(size)).map(fill).cache().repeat()


def _will_fit(trials: list[BatchSizeTrial], held: int | None) -> bool:
    """Whether twice the last size can be tried safely."""
    free, now = available(), resident()
    if _gpus() or not trials or trials[-1].memory is None or held is None or free is None or now is None:
        return True
    return 2.5 * trials[-1].memory - (now[0] - held) < 0.8 * free


def _gpus() -> list[str]:
    return [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices("GPU")]


def _held() -> int | None:
    if _gpus():
        return sum(tf.config.experimental.get_memory_info(name)["current"] for name in _gpus())
    now = resident()
    return None if now is None else now[0]


def _peak() -> int | None:
    if _gpus():
        return sum(tf.config.experimental.get_memory_info(name)["peak"] for name in _gpus())
    now = resident()
    return None if now is None else now[1]


def _reset_peak() -> None:
    for name in _gpus():
        tf.config.experimental.reset_memory_stats(name)
    reset_peak()


def resident() -> tuple[int, int] | None:
    """Bytes in memory now, and the most since `reset_peak`; `None` where the system does not say (not Linux)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Vm")}
        return kilobytes["VmRSS"] * 1024, kilobytes["VmHWM"] * 1024
    except (OSError, KeyError):
        return None


def reset_peak() -> None:
    """Return freed memory to the system and restart the peak, where the system lets us (Linux with glibc)."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)  # else memory that is taken from what was freed would not show
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def available() -> int | None:
    """Bytes that can be taken before the machine swaps or the process is killed; `None` where that is unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    return min([free, *_groups_leave()])


def _groups_leave(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> list[int]:
    """Bytes that the limit of each control group above this process leaves (versions 1 and 2)."""
    left = []
    with contextlib.suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            top, limit, usage = root, "memory.max", "memory.current"
            if controllers:
                top, limit, usage = root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            group = top / path.strip("/")
            for folder in (group, *(parent for parent in group.parents if parent.is_relative_to(top))):
                # No such file at the top; "max" where there is no limit.
                with contextlib.suppress(OSError, ValueError, StopIteration):
                    at_most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
                    name = "total_inactive_file" if controllers else "inactive_file"  # cached files, given up first
                    lines = (folder / "memory.stat").read_text().splitlines()
                    left.append(at_most - used + next(int(x.split()[1]) for x in lines if x.split()[0] == name))
    return left
