"""`tfconv launch` with small programs as workers: environment, lines, and how it ends when they do."""

import json
import os
import pty
import re
import subprocess
import sys
import time

import pytest
from launching import command, launched


def test_each_worker_has_its_tf_config_and_its_share_of_the_cores(tmp_path, monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    program = "open(os.path.join(sys.argv[1], str(index)), 'w').write(json.dumps(dict(os.environ)))"
    assert launched(3, program, tmp_path).returncode == 0
    environments = [json.loads((tmp_path / str(i)).read_text()) for i in range(3)]
    configs = [json.loads(environment["TF_CONFIG"]) for environment in environments]
    assert [config["task"] for config in configs] == [{"type": "worker", "index": i} for i in range(3)]
    (hosts,) = {tuple(config["cluster"]["worker"]) for config in configs}
    assert len(set(hosts)) == 3 and all(re.fullmatch(r"127\.0\.0\.1:\d+", host) for host in hosts)
    share = str(max(len(os.sched_getaffinity(0)) // 3, 1))
    assert {environment["TF_NUM_INTRAOP_THREADS"] for environment in environments} == {share}


def test_threads_are_those_asked_for_or_those_of_the_environment(tmp_path):
    program = "print(os.environ['TF_NUM_INTRAOP_THREADS'])"
    given = {**os.environ, "TF_NUM_INTRAOP_THREADS": "7"}
    for more, expected in (([], "7"), (["--threads-per-worker", "5"], "5")):
        line = command(1, program)
        line[line.index("--") : line.index("--")] = more
        assert subprocess.run(line, capture_output=True, text=True, env=given).stdout == f"{expected}\n"


def test_tensorflow_reads_the_threads(tmp_path):
    code = """
import os, sys
from tfconv import runtime
runtime.configure("text")
import tensorflow as tf
for number in sys.argv[1:]:
    child = os.fork()  # TensorFlow reads it at the first operation
    if not child:
        os.environ["TF_NUM_INTRAOP_THREADS"] = number
        tf.constant(1) + 1
        print(len(os.listdir("/proc/self/task")), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""
    few, many = map(int, subprocess.check_output([sys.executable, "-c", code, "1", "30"]).split())
    assert many - few == 29


def test_arguments_arrive_as_they_stand():
    arguments = ("--run_dir", "a b", "--", "--help", "-x=é", "--workers", "9", "")
    done = launched(1, "print(json.dumps(sys.argv[1:]))", *arguments)
    assert json.loads(done.stdout) == list(arguments)


def test_lines_stay_whole_in_their_order_and_say_whose_they_are():
    program = """
for number in range(300):
    for stream in (sys.stdout, sys.stderr):
        stream.write(f"{index}:{number} be")
        stream.flush()
        stream.write("gun and ended\\n")
        stream.flush()
sys.stdout.write("no end")
"""
    done = launched(3, program)
    assert done.returncode == 0
    for text, last in ((done.stdout, ["no end"]), (done.stderr, [])):
        lines = text.splitlines()
        for worker in range(3):
            prefix = f"[worker {worker}] " if worker else ""
            own = [line.removeprefix(prefix) for line in lines if line.startswith(prefix or ("0", "no"))]
            assert own == [f"{worker}:{number} begun and ended" for number in range(300)] + last
        assert len(lines) == 3 * (300 + len(last))


def test_bytes_and_endless_lines_pass():
    program = "sys.stdout.buffer.write(b'\\xff\\x00' * 100_000 if index else b'')"
    done = subprocess.run(command(2, program), capture_output=True)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and all(line.startswith(b"[worker 1] ") for line in lines)
    assert b"".join(line.removeprefix(b"[worker 1] ") for line in lines) == b"\xff\x00" * 100_000


def test_worker_0_has_the_terminal():
    ours, theirs = pty.openpty()
    try:
        program = """
time.sleep(0.5 * index)
print(sys.stdout.isatty(), sys.stderr.isatty(), repr(sys.stdin.read()), end="\\n" if index else "", flush=True)
time.sleep(1 - index)
"""
        done = subprocess.Popen(command(2, program), stdin=theirs, stdout=theirs, stderr=theirs)
        assert done.wait(timeout=60) == 0
        shown = os.read(ours, 10_000)
    finally:
        os.close(ours)
        os.close(theirs)
    # The unfinished line of worker 0, a bar, gives way to a whole line of the other.
    assert shown.startswith(b"True True ''\r\x1b[K[worker 1] False False ''\r\n"), shown


@pytest.mark.parametrize(
    ("end", "code", "message"),
    [
        ("sys.exit(3)", 3, "worker 1 ended with status 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "worker 1 was ended by SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGRTMIN + 1)", 163, "worker 1 was ended by signal 35"),
    ],
)
def test_all_end_when_one_fails_with_its_status(end, code, message, tmp_path):
    program = f"""
def leave(number, frame):
    open(os.path.join(sys.argv[1], str(index)), "w").close()  # time to save something
    sys.exit(9)
if index == 1:
    wait_for(os.path.join(sys.argv[1], "ready0")), wait_for(os.path.join(sys.argv[1], "ready2"))
    {end}
signal.signal(signal.SIGTERM, leave)
open(os.path.join(sys.argv[1], f"ready{{index}}"), "w").close()
time.sleep(1000)
"""
    done = launched(3, program, tmp_path)
    assert done.returncode == code
    assert done.stderr == f"tfconv: {message}; ending the others\n"
    assert (tmp_path / "0").exists() and (tmp_path / "2").exists()


@pytest.mark.parametrize("terminal", [False, True])
def test_a_mistake_of_which_every_worker_tells_is_shown_once(terminal, tmp_path):
    """Worker 0 writes to a terminal itself, where launch does not see what it says."""
    program = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the slower of the two is not ended before it has told of it, too
open(os.path.join(sys.argv[1], str(index)), "w").close()
wait_for(os.path.join(sys.argv[1], str(1 - index)))
sys.exit(print("tfconv: nosuch: no such file", file=sys.stderr) or 2)
"""
    ours, theirs = pty.openpty()
    error = theirs if terminal else subprocess.PIPE
    done = subprocess.run(command(2, program, tmp_path), stderr=error, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 10_000).replace(b"\r\n", b"\n") if terminal else done.stderr
    os.close(ours)
    assert done.returncode == 2 and shown == b"tfconv: nosuch: no such file\n"


def test_a_worker_that_does_not_end_is_killed():
    program = """
if index == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)
time.sleep(0.5)
sys.exit(4)
"""
    begin = time.monotonic()
    assert launched(2, program, grace=0.3).returncode == 4
    assert time.monotonic() - begin < 30


def test_the_rest_go_on_when_one_ends_well(tmp_path):
    program = "wait_for(sys.argv[1]) if index else open(sys.argv[1], 'w').close()"
    assert launched(2, program, tmp_path / "done").returncode == 0
