"""`tfconv launch` stopped: signals, a reader that leaves, a mistake; and that nothing is left."""

import json
import signal
import subprocess
import sys

import pytest
from command_line import status
from launching import alive, launched, running, until

COUNTING = """
asked = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: asked.append(number))
open(os.path.join(sys.argv[1], f"ready{index}"), "w").close()
while not asked:
    time.sleep(0.02)
time.sleep(0.3)
open(os.path.join(sys.argv[1], str(index)), "w").write(json.dumps(asked))
sys.exit(1)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_goes_to_each_worker_once(number, tmp_path):
    with running(2, COUNTING, tmp_path, stderr=subprocess.PIPE, text=True) as process:
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
    with running(1, program, heard) as process:
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
    with running(2, FAMILY + "time.sleep(1000)", tmp_path):
        members = family(tmp_path)
        assert all(map(alive, members))
    until(lambda: not any(map(alive, members)))


def test_nothing_is_left_when_all_ended_well(tmp_path):
    assert launched(2, FAMILY, tmp_path).returncode == 0
    members = family(tmp_path)
    until(lambda: not any(map(alive, members)))


def test_ends_when_nobody_reads():
    program = "while True: print(index)"
    with running(2, program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=60) != 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("launch", "--workers", "2"), 2, "launch needs a command after --"),
        (("launch", "--workers", "2", "tfconv", "train"), 2, "launch needs -- before the command"),
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


def test_what_all_workers_refuse_is_said_once(tmp_path):
    def lines(program):
        done = launched(3, program)
        assert done.returncode == 2
        return done.stderr.splitlines()

    together = "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(0.5)\n"
    assert lines(together + "sys.exit(print('tfconv: no', file=sys.stderr) or 2)") == ["tfconv: no"]
    of_one = "if index == 1: time.sleep(0.5); sys.exit(print('tfconv: no', file=sys.stderr) or 2)\ntime.sleep(60)"
    assert lines(of_one) == ["[worker 1] tfconv: no"]


def test_start_imports_no_tensorflow():
    code = "import sys; from tfconv.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, "launch", "--", "true"], capture_output=True, text=True)
    assert done.returncode == 0 and not {"tensorflow", "keras", "numpy"} & set(done.stdout.split())
