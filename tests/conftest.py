"""What every test shares: quiet TensorFlow, two logical devices, the real data where it is, one temporary folder.

`make quick` runs some files of every room, or those of one room: see the Makefile.
"""

import atexit
import gc
import os
import shutil
import signal
import tempfile
from pathlib import Path

import hypothesis
import pytest

from tfconv import runtime

# The temporary folder of the whole run, removed at its end with all that tests and the processes they start leave in
# it: TensorFlow's generated files, pytest's own folders. The workers of pytest-xdist inherit it from the process that
# starts them.
if "TFCONV_TESTS_FOLDER" not in os.environ:
    _folder = os.environ["TFCONV_TESTS_FOLDER"] = os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="tfconv-tests-")
    tempfile.tempdir = _folder
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)

REAL_DATA = os.environ.get("TFCONV_DATA_DIR", "")
_cache = Path(os.environ["TFCONV_TESTS_FOLDER"], "data")
if REAL_DATA == str(_cache):  # a worker
    REAL_DATA = ""
if not REAL_DATA:  # decoded images are cached beside the data: not in the home folder of who runs the tests
    _cache.mkdir(exist_ok=True)
    os.environ["TFCONV_DATA_DIR"] = str(_cache)

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a job in the background; what tests start inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)
if "PYTEST_XDIST_WORKER" in os.environ:  # each has a core; threads that wait for work would take the other's
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Property tests draw the same examples every time, so that a red run is a fault of the change that it tests. For
# others, and ten times as many where a test does not say how many: pytest --hypothesis-profile=more
hypothesis.settings.register_profile("fixed", derandomize=True)
hypothesis.settings.register_profile("more", max_examples=1000, derandomize=False)
hypothesis.settings.load_profile("fixed")


def pytest_configure(config):
    """Start TensorFlow, but in the process that only deals the tests out to its workers."""
    if config.getoption("numprocesses", None):
        return
    runtime.configure("text")
    import tensorflow as tf

    # Two replicas on one CPU, for the tests of tf.distribute; it must be said before the first operation.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


# The files that take longest start first, so that no worker ends with one while the others have nothing left to do.
LONGEST = (
    "project/test_readme.py",
    "recipes/test_recipes.py",
    "training/distribution/test_workers.py",
    "cli/test_image_verbs.py",
    "kinds/test_degenerate_data.py",
    "project/test_contract.py",
    "cli/test_text_verbs.py",
    "export/test_image_serving.py",
    "export/test_formats.py",
    "training/runs/test_resume.py",
)


def pytest_collection_modifyitems(items):
    """Deal out the longest files first."""
    rank = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_collection_finish():
    """Garbage is looked for among what tests make, not among the 600,000 objects of the imported modules."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def fresh_session():
    """Names and seeds start anew, so that a test does not depend on those before it."""
    import keras

    keras.utils.clear_session(free_memory=False)  # collecting garbage took a quarter of the suite's time
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="module")
def freed_memory():
    """The graphs of the file before are gone, and what stays is not looked through again.

    TensorFlow registers the gradient of each `tf.custom_gradient` that it traces for good, and with it the whole graph:
    three gigabytes at the end of the suite, which took half as long again.
    """
    from tensorflow.python.framework import ops

    registered = ops.gradient_registry._registry
    for name in [name for name in registered if name.startswith("CustomGradient-")]:
        del registered[name]
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def two_replicas():
    """The `tf.distribute.Strategy` of the command's cpu:2: two in a process mix up their collective operations."""
    from tfconv.training import strategy

    return strategy.choose("cpu:2")


@pytest.fixture(scope="session")
def data_directory() -> Path:
    """The folder with aclImdb, imdb.w2v.50d.txt and the CIFAR-10 files."""
    if not REAL_DATA:
        if os.environ.get("TFCONV_REQUIRE_DATA"):
            pytest.fail("TFCONV_REQUIRE_DATA is set and TFCONV_DATA_DIR is not")
        pytest.skip("set TFCONV_DATA_DIR to a folder with the real data sets to run this test")
    return Path(REAL_DATA)
