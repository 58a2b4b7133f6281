"""`tfconv launch`: a command as several workers on this machine."""

import sys
from collections.abc import Callable, Sequence

from tfconv.errors import InputError


def split_command(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Take what follows the first `--` of `tfconv launch` away, to be run as it stands."""
    if arguments[:1] != ["launch"]:
        return arguments, []
    if "--" not in arguments:
        for before, word in zip(arguments, arguments[1:], strict=False):
            if not before.startswith("--") and not word.startswith("-"):  # no option, nor an option's value
                raise InputError(f"launch needs -- before the command: tfconv launch --workers 2 -- {word} ...")
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def launch_of(command: Sequence[str]) -> Callable[..., None]:
    """The verb for a command that `split_command` took away."""

    def launch(workers: int = 2, threads_per_worker: int | None = None) -> None:
        """Try out training by several workers on this machine: tfconv launch --workers 2 -- COMMAND...

        COMMAND, such as `tfconv train images DATA --run RUN`, runs once a worker with its TF_CONFIG. Worker 0 has the
        terminal; the lines of the others begin with [worker 1]. When one fails, all end, with its status.

        Args:
            workers: processes that train one model together.
            threads_per_worker: threads an operation may use in each. Default: the cores, divided by the workers.
        """
        for name, value, most in (("workers", workers, 256), ("threads-per-worker", threads_per_worker, 1024)):
            if value is not None and not 1 <= value <= most:
                raise InputError(f"--{name} must be from 1 to {most}, got {value}")
        if not command:
            raise InputError("launch needs a command after --: tfconv launch --workers 2 -- tfconv train ...")
        from tfconv.training.distribution.launch import run_workers

        try:
            status = run_workers(command, workers, threads_per_worker)
        except OSError as error:
            print(f"tfconv: {command[0]!r} cannot be started: {error.strerror or error}", file=sys.stderr)
            status = 127 if isinstance(error, FileNotFoundError) else 126
        sys.exit(status)

    return launch
