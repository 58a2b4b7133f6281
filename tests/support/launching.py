"""Launches of small programs as workers, for the tests of `tfconv launch`."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

# What a worker's program may use: its number, and whether to wait for something.
HEAD = """
import json, os, signal, subprocess, sys, time
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.02)
"""


def command(workers, program, *arguments, grace=None):
    """The command line of a launch; with `grace`, of one that waits so many seconds."""
    # Under nohup SIGHUP is ignored in all that the tests start, and launch passes on no signal that is.
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); from tfconv.cli import main; main()"
    if grace is not None:
        code = f"from tfconv.training.distribution import launch; launch.GRACE_SECONDS = {grace}; {code}"
    launch = [sys.executable, "-c", code, "launch", "--workers", str(workers)]
    return [*launch, "--", sys.executable, "-c", HEAD + program, *map(str, arguments)]


@contextlib.contextmanager
def running(*arguments, **options):
    """A launch of `command` in the background, killed at the end of the block where a test failed within it."""
    with subprocess.Popen(command(*arguments), **options) as process:
        try:
            yield process
        finally:
            process.kill()


def launched(workers, program, *arguments, grace=None):
    return subprocess.run(
        command(workers, program, *arguments, grace=grace), capture_output=True, text=True, timeout=60
    )


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def alive(pid):
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
