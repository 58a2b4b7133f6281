"""Process-wide state, in processes of their own."""

import os
import subprocess
import sys

import pytest

from tfconv import runtime


def in_fresh_process(code, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "CUDA"))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=kept | environment)
    assert done.returncode == 0, done.stderr
    return done


def test_start_is_quiet_and_errors_still_show():
    code = """
from tfconv import runtime
runtime.configure("text")
import tensorflow as tf
tf.constant(1) + 1
import os
os.write(2, b"something real\\n")
"""
    assert in_fresh_process(code).stderr == "something real\n"


def test_onednn_goes_by_work_argument_and_environment():
    code = "from tfconv import runtime; print(runtime.configure({!r}, onednn={})['onednn'])"
    assert in_fresh_process(code.format("images", None)).stdout.strip() == str(runtime.ONEDNN["images"])
    assert in_fresh_process(code.format("text", None)).stdout.strip() == str(runtime.ONEDNN["text"])
    assert in_fresh_process(code.format("text", False)).stdout.strip() == "False"
    assert in_fresh_process(code.format("text", True), TF_ENABLE_ONEDNN_OPTS="0").stdout.strip() == "False"


def test_threads_reach_tensorflow():
    code = """
from tfconv import runtime
print(runtime.configure("text", threads=1)["threads"])
import tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads())
"""
    assert in_fresh_process(code).stdout.split() == ["1", "1"]


def test_late_call_says_so():
    assert runtime.configure("text")["tensorflow_imported_before"] is True


def test_seed_repeats_the_bits():
    code = """
from tfconv import runtime
runtime.configure("text")
runtime.set_seed(11, deterministic=True)
import random, keras, numpy as np, tensorflow as tf
print(random.random(), np.random.rand(), float(tf.random.normal([])), float(keras.random.normal(())))
tf.config.experimental.enable_op_determinism()
"""
    assert in_fresh_process(code).stdout == in_fresh_process(code).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"work": "sound"}, r"work must be one of \['images', 'text'\], got 'sound'"),
        ({"work": "text", "threads": 0}, "threads must be 1 or more, got 0"),
    ],
)
def test_configure_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        runtime.configure(**arguments)


def test_import_and_help_are_quick():
    # Generous bounds, against an import gone wrong; recipes/benchmarks measures.
    code = "import time; t = time.perf_counter(); import tfconv; print(time.perf_counter() - t)"
    assert float(in_fresh_process(code).stdout) < 0.5
