"""Processes with TensorFlow imported already, for tests that need real ones: to kill, to stop, to train together.

Each is a fork of one process that has imported TensorFlow, Keras and tfconv and has run no operation: 20 ms in place of
5 s of a core. TF_CONFIG, TF_NUM_INTRAOP_THREADS and the like, which TensorFlow reads at its first operation, may be
given; for what is read at an import, and for the start of the command, a test starts a process from nothing.
"""

import functools
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time


class Process:
    """What the tests use of `subprocess.Popen`, with both streams as pipes of text."""

    def __init__(self, arguments, *, cwd=None, env=None):
        """`arguments` are those of Python: a script, or -c and code, and what it finds in `sys.argv`."""
        (out, out_given), (error, error_given) = os.pipe(), os.pipe()
        self.stdout, self.stderr = open(out, encoding="utf-8"), open(error, encoding="utf-8")
        self.args, self.returncode = list(map(str, arguments)), None
        request = {"arguments": self.args, "cwd": str(cwd or os.getcwd()), "env": dict(env or os.environ)}
        self.pid = _nursery().fork(request, [out_given, error_given])
        os.close(out_given)
        os.close(error_given)

    def poll(self):
        if self.returncode is None:
            self.returncode = _nursery().ended(self.pid, 0)
        return self.returncode

    def wait(self, timeout=None):
        if self.returncode is None:
            self.returncode = _nursery().ended(self.pid, timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def communicate(self, timeout=None):
        """Return what is still to be read of both streams, after the end."""
        end = None if timeout is None else time.monotonic() + timeout
        found = {}
        readers = [threading.Thread(target=lambda s=s: found.update({s: s.read()})) for s in (self.stdout, self.stderr)]
        for reader in readers:
            reader.daemon = True
            reader.start()
        for reader in readers:
            reader.join(None if end is None else max(end - time.monotonic(), 0))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout)
        self.wait(None if end is None else max(end - time.monotonic(), 0.1))
        self.stdout.close()
        self.stderr.close()
        return found[self.stdout], found[self.stderr]

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def run(arguments, *, cwd=None, env=None, timeout=240):
    """As `subprocess.run` with both streams captured as text."""
    process = Process(arguments, cwd=cwd, env=env)
    try:
        out, error = process.communicate(timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)


class _Nursery:
    """The process that forks; it ends with the one that started it, whose end of the socket closes then."""

    def __init__(self):
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(other.fileno())], pass_fds=[other.fileno()], stdin=subprocess.DEVNULL
            )
        self._ended, self._started = {}, []

    def fork(self, request, descriptors):
        socket.send_fds(self._socket, [json.dumps(request).encode()], descriptors)
        while not self._started:
            self._listen(120)
        return self._started.pop()

    def ended(self, pid, timeout):
        end = time.monotonic() + (1e9 if timeout is None else timeout)
        while pid not in self._ended and self._listen(max(end - time.monotonic(), 0)):
            pass
        return self._ended.get(pid)

    def _listen(self, seconds):
        if not select.select([self._socket], [], [], min(seconds, 1e6))[0]:
            return False
        content = self._socket.recv(4096)
        assert content, "the process that forks has ended"
        message = json.loads(content)
        if "status" in message:
            self._ended[message["pid"]] = message["status"]
        else:
            self._started.append(message["pid"])
        return True


_nursery = functools.cache(_Nursery)


def _serve(asked):
    """Fork on request, and tell of each end; return the request in the fork."""
    from tfconv import runtime

    runtime.configure("text")
    import keras  # noqa: F401
    import tensorflow  # noqa: F401

    import tfconv.cli  # noqa: F401
    from tfconv import data, evaluation, layers, models, training

    for package in (data, evaluation, layers, models, training):
        for name in package.__all__:  # what is imported lazily
            getattr(package, name)

    gc.collect()
    gc.freeze()  # a fork does not look through all this at its end
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    while True:
        ready, _, _ = select.select([asked, woken], [], [])
        if woken in ready:
            os.read(woken, 1000)
            while ended := _one_that_ended():
                pid, status = ended
                asked.send(json.dumps({"pid": pid, "status": os.waitstatus_to_exitcode(status)}).encode())
        if asked in ready:
            content, descriptors, _, _ = socket.recv_fds(asked, 1 << 20, 2)
            if not content:
                os._exit(0)
            pid = os.fork()
            if not pid:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for stream, descriptor in zip((1, 2), descriptors, strict=True):
                    os.dup2(descriptor, stream)
                for descriptor in (*descriptors, woken, wake, asked.detach()):
                    os.close(descriptor)
                return json.loads(content)
            for descriptor in descriptors:
                os.close(descriptor)
            asked.send(json.dumps({"pid": pid}).encode())


def _one_that_ended():
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


if __name__ == "__main__":
    given = _serve(socket.socket(fileno=int(sys.argv[1])))
    os.chdir(given["cwd"])
    os.environ.clear()
    os.environ.update(given["env"])
    script, *sys.argv = given["arguments"]
    if script == "-c":
        code, sys.argv = sys.argv[0], ["-c", *sys.argv[1:]]
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [script, *sys.argv]
        runpy.run_path(script, run_name="__main__")
