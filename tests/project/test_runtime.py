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
found = runtime.configure({!r}, threads=1)
print(found["threads"], found["onednn"])
runtime.set_seed(11, deterministic=True)
import os, random, keras, numpy as np, tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads())
print(random.random(), np.random.rand(), float(tf.random.normal([])), float(keras.random.normal(())))
tf.config.experimental.enable_op_determinism()
os.write(2, b"something real\\n")
"""
    one, other = in_fresh_process(code.format("text")), in_fresh_process(code.format("images"))
    assert one.stderr == other.stderr == "something real\n"
    (first, *numbers), (other_first, *others) = one.stdout.splitlines(), other.stdout.splitlines()
    assert first == f"1 {runtime.ONEDNN['text']}" and other_first == f"1 {runtime.ONEDNN['images']}"
    assert numbers[0] == "1" and len(set(numbers[1].split())) == 4 and numbers == others


def test_onednn_goes_by_argument_and_environment(tmp_path):
    """With a stand-in for TensorFlow, whose import takes seconds: the real one reads what is set here (above)."""
    (tmp_path / "tensorflow.py").write_text(
        "import logging, os, types\n"
        "config = types.SimpleNamespace(list_physical_devices=lambda: [])\n"
        "get_logger = logging.getLogger\n"
        "print(os.environ.get('TF_ENABLE_ONEDNN_OPTS'))\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    code = "from tfconv import runtime; print(runtime.configure({!r}, onednn={})['onednn'])"
    for work, argument, environment, printed in (
        ("images", None, {}, "1 True"),
        ("images", False, {}, "0 False"),
        ("text", None, {}, "None None"),
        ("text", False, {}, "0 False"),
        ("text", True, {"TF_ENABLE_ONEDNN_OPTS": "0"}, "0 False"),
    ):
        found = in_fresh_process(code.format(work, argument), PYTHONPATH=path, **environment)
        assert found.stdout.split() == printed.split(), (work, argument, environment)


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
