"""`tfconv launch` with small programs as workers: environment, lines, ends, signals, and that nothing is left."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import status

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
    code = "from tfconv.cli import main; main()"
    if grace is not None:
        code = f"from tfconv.cli import local_workers; local_workers.GRACE_SECONDS = {grace}; {code}"
    launch = [sys.executable, "-c", code, "launch", "--workers", str(workers)]
    return [*launch, "--", sys.executable, "-c", HEAD + program, *map(str, arguments)]


def launched(workers, program, *arguments, grace=None):
    return subprocess.run(
        command(workers, program, *arguments, grace=grace), capture_output=True, text=True, timeout=60
    )


def until(condition, seconds=20):
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


def test_each_worker_has_its_tf_config_and_its_share_of_the_cores(tmp_path):
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
os.environ["TF_NUM_INTRAOP_THREADS"] = sys.argv[1]
from tfconv import runtime
runtime.configure("text")
import tensorflow as tf
tf.constant(1) + 1
print(len(os.listdir("/proc/self/task")))
"""
    few, many = (int(subprocess.check_output([sys.executable, "-c", code, number])) for number in ("1", "30"))
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


COUNTING = """
asked = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: asked.append(number))
open(os.path.join(sys.argv[1], f"ready{index}"), "w").close()
while not asked:
    time.sleep(0.02)
time.sleep(0.5)
open(os.path.join(sys.argv[1], str(index)), "w").write(json.dumps(asked))
sys.exit(1)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_goes_to_each_worker_once(number, tmp_path):
    process = subprocess.Popen(command(2, COUNTING, tmp_path), stderr=subprocess.PIPE, text=True)
    until(lambda: (tmp_path / "ready0").exists() and (tmp_path / "ready1").exists())
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + number and error == ""
    assert [json.loads((tmp_path / str(i)).read_text()) for i in (0, 1)] == [[number], [number]]


def test_a_third_signal_kills_what_refuses(tmp_path):
    program = """
signal.signal(signal.SIGINT, lambda number, frame: open(sys.argv[1], "a").write("x"))
open(sys.argv[1], "w").close()
while True:
    time.sleep(0.02)
"""
    heard = tmp_path / "heard"
    process = subprocess.Popen(command(1, program, heard))
    until(heard.exists)
    for expected in ("x", "xx", "xx"):
        process.send_signal(signal.SIGINT)
        until(lambda expected=expected: heard.read_text() == expected)
    assert process.wait(timeout=60) == 130 and heard.read_text() == "xx"


# Each worker has a child of its own; the four numbers of processes go into files.
FAMILY = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
path = os.path.join(sys.argv[1], str(index))
open(path + "part", "w").write(f"{os.getpid()} {child.pid}")
os.rename(path + "part", path)
"""


def family(folder):
    until(lambda: all((folder / name).exists() for name in "01"))
    return [int(number) for name in "01" for number in (folder / name).read_text().split()]


def test_nothing_is_left_when_launch_is_killed(tmp_path):
    process = subprocess.Popen(command(2, FAMILY + "time.sleep(1000)", tmp_path))
    members = family(tmp_path)
    assert all(map(alive, members))
    process.kill()
    process.wait()
    until(lambda: not any(map(alive, members)))


def test_nothing_is_left_when_all_ended_well(tmp_path):
    assert launched(2, FAMILY, tmp_path).returncode == 0
    members = family(tmp_path)
    until(lambda: not any(map(alive, members)))


def test_ends_when_nobody_reads():
    launch = subprocess.Popen(command(2, "while True: print(index)"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    launch.stdout.readline()
    launch.stdout.close()
    assert launch.wait(timeout=60) != 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("launch", "--workers", "2"), 2, "launch needs a command after --"),
        (("launch", "--workers", "2", "--"), 2, "launch needs a command after --"),
        (("launch", "--workers", "0", "--", "ls"), 2, "--workers must be from 1 to 256, got 0"),
        (("launch", "--threads-per-worker", "0", "--", "ls"), 2, "--threads-per-worker must be from 1 to 1024, got 0"),
        (("launch", "--", "nosuch"), 127, "'nosuch' cannot be started: No such file"),
        (("launch", "--", "/etc/passwd"), 126, "'/etc/passwd' cannot be started: Permission denied"),
    ],
)
def test_mistake_is_one_line(arguments, code, message, capfd):
    assert status(*arguments) == code
    error = capfd.readouterr().err
    assert error.startswith(f"tfconv: {message}") and error.count("\n") == 1


def test_start_imports_no_tensorflow():
    code = "import sys; from tfconv.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, "launch", "--", "true"], capture_output=True, text=True)
    assert done.returncode == 0 and not {"tensorflow", "keras", "numpy"} & set(done.stdout.split())
