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


def test_start_is_quiet_errors_still_show_threads_reach_tensorflow_and_seeds_repeat_the_bits():
    code = """
from tfconv import runtime
print(runtime.configure("text", threads=1)["threads"])
runtime.set_seed(11, deterministic=True)
import os, random, keras, numpy as np, tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads())
print(random.random(), np.random.rand(), float(tf.random.normal([])), float(keras.random.normal(())))
tf.config.experimental.enable_op_determinism()
os.write(2, b"something real\\n")
"""
    one, other = in_fresh_process(code), in_fresh_process(code)
    assert one.stderr == "something real\n"
    assert one.stdout.splitlines()[:2] == ["1", "1"]
    assert len(set(one.stdout.split()[2:])) == 4 and one.stdout == other.stdout


def test_onednn_goes_by_work_argument_and_environment():
    code = "from tfconv import runtime; print(runtime.configure({!r}, onednn={})['onednn'])"
    assert in_fresh_process(code.format("images", None)).stdout.strip() == str(runtime.ONEDNN["images"])
    assert in_fresh_process(code.format("text", None)).stdout.strip() == str(runtime.ONEDNN["text"])
    assert in_fresh_process(code.format("text", False)).stdout.strip() == "False"
    assert in_fresh_process(code.format("text", True), TF_ENABLE_ONEDNN_OPTS="0").stdout.strip() == "False"


def test_late_call_says_so():
    assert runtime.configure("text")["tensorflow_imported_before"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"work": "sound"}, r"work must be one of \['images', 'text'\], got 'sound'"),
        ({"work": "text", "threads": 0}, "threads must be from 1 to 1024, got 0"),
        ({"work": "text", "threads": 2**31 - 1}, "threads must be from 1 to 1024, got 2147483647"),
    ],
)
def test_configure_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        runtime.configure(**arguments)


def test_import_and_help_are_quick():
    # Generous bounds, against an import gone wrong; recipes/benchmarks measures.
    code = "import time; t = time.perf_counter(); import tfconv; print(time.perf_counter() - t)"
    assert float(in_fresh_process(code).stdout) < 0.5
