"""The one place that sets process-wide state: oneDNN, threads, log level, seeds.

TensorFlow reads most of it once, when it is imported, so `configure` comes first. Nothing else in tfconv touches the
environment.
"""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

__all__ = ["configure", "precision", "set_seed"]

Work = Literal["text", "images"]
MOST_THREADS = 1024  # of an operation; TensorFlow makes as many as it is told, until the process dies

# `None`: TensorFlow's own choice, on for CPUs with AVX512-VNNI or AMX. With these, both kinds of work gain
# (recipes/benchmarks/onednn.py; its README holds the figures). On two EPYC cores without them it slowed a three-width
# text CNN from 690 to 800 ms a step and sped batch-norm image networks, so images ask for it everywhere.
ONEDNN: dict[Work, bool | None] = {"text": None, "images": True}


def configure(work: Work, *, threads: int | None = None, onednn: bool | None = None) -> dict[str, Any]:
    """Set up this process for one kind of work, before TensorFlow is imported.

    What the environment says already (`TF_ENABLE_ONEDNN_OPTS`, `TF_CPP_MIN_LOG_LEVEL`) is
    left as it is. Where TensorFlow has been imported, only what still can be set is set; otherwise it is imported
    here, without its start-up chatter.

    Args:
        work: `"text"` (1-D convolutions over embeddings) or `"images"` (2-D convolutions with batch normalisation).
        threads: threads an operation may use; default: TensorFlow's own choice, one a core.
        onednn: oneDNN kernels on or off; default: what was measured faster for this kind of work (`ONEDNN`).

    Returns:
        What is in force: `onednn` (bool, or `None` where TensorFlow chooses by the CPU), `threads` (int), and
        `tensorflow_imported_before` (bool).

    Raises:
        ValueError: `work` is not one of the two, or `threads` is not from 1 to 1024.
    """
    if work not in ONEDNN:
        raise ValueError(f"work must be one of {sorted(ONEDNN)}, got {work!r}")
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise ValueError(f"threads must be from 1 to {MOST_THREADS}, got {threads}")
    late = "tensorflow" in sys.modules
    if not late:
        chosen = ONEDNN[work] if onednn is None else onednn
        if chosen is not None:
            os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", str(int(chosen)))
        # 3 hides what TensorFlow logs as errors too: a real one reaches Python as an exception, and the rest alarms
        # for nothing ("oneDNN supports DT_INT32 only on platforms with AVX-512").
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with _quiet_start():
            import tensorflow as tf

            tf.config.list_physical_devices()  # CUDA's probe speaks here
            tf.get_logger().setLevel("ERROR")  # each `fit` traces its own graph; that is not the retracing it warns of
    if threads is not None:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
    return {
        "onednn": {"0": False, "1": True}.get(os.environ.get("TF_ENABLE_ONEDNN_OPTS", "")),
        "threads": threads or os.cpu_count() or 1,
        "tensorflow_imported_before": late,
    }


def precision() -> Literal["float32", "mixed_bfloat16"]:
    """Name the Keras dtype policy that trains image networks fastest on this machine without losing accuracy.

    `"mixed_bfloat16"` where the processor multiplies 16-bit numbers itself (AVX512-BF16 or AMX, read from
    /proc/cpuinfo): a batch-norm network's step then takes about 0.65 of the time (recipes/benchmarks/README.md).
    Elsewhere TensorFlow emulates such numbers many times slower, and the answer is `"float32"`.
    Weights are float32 under both; `tfconv.training.in_float32` gives the model that is kept.
    """
    with contextlib.suppress(OSError):
        words = set(Path("/proc/cpuinfo").read_text("utf-8", "replace").split())
        if words & {"avx512_bf16", "amx_bf16"}:
            return "mixed_bfloat16"
    return "float32"


# TensorFlow logs before it initialises its logger, straight to file descriptor 2, whatever TF_CPP_MIN_LOG_LEVEL says.
_CHATTER = re.compile(
    rb"WARNING: All log messages before absl|[IW]\d{4} |E\d{4} .*failed call to cuInit|To enable the following"
)


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Hold back file descriptor 2, then pass on every line that is not start-up chatter."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not _CHATTER.match(line):
                    os.write(2, line)


def set_seed(seed: int, *, deterministic: bool = False) -> None:
    """Seed Python, NumPy and TensorFlow, and on request make every operation repeat bit for bit.

    Args:
        seed: any integer from 0 to 2**32 - 1.
        deterministic: also `tf.config.experimental.enable_op_determinism()`: the same run gives the same bits on the
            same machine with the same number of threads. It stays on for the rest of the process.

    Raises:
        ValueError: `seed` is out of range.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be from 0 to 4294967295, got {seed}")
    import keras

    keras.utils.set_random_seed(seed)
    if deterministic:
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
