"""The `tfconv` command: a thin layer over the package, one function a verb.

Exit status: 0 done, 1 failed, 2 the user's mistake (one line on standard error, no traceback), 130 stopped by Ctrl-C,
143 by SIGTERM.
`tfconv launch` ends with the status of the worker that failed first.
"""

import contextlib
import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

from tfconv.cli.recipe import Trained, train_and_score
from tfconv.errors import InputError

__all__ = ["Trained", "main", "one_line_errors", "run_recipe", "train_and_score"]

Config = TypeVar("Config")


def main(arguments: list[str] | None = None) -> None:
    """Run the command; `arguments` default to those of the process."""
    try:
        with one_line_errors("tfconv"):
            from tfconv.cli.command import run  # here: Ctrl-C is answered in one line also while all this is imported

            run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # before the block was entered
        _leave("tfconv: stopped", 128 + signal.SIGINT)


def run_recipe(recipe: Callable[[Config], object], config: type[Config], description: str | None) -> None:
    """Run a recipe's `main` with its settings from the command line, and end as the command does.

    Args:
        recipe: takes the settings.
        config: a dataclass; its fields are the options.
        description: the recipe's docstring, for `--help`.
    """
    with one_line_errors(Path(sys.argv[0]).stem):
        import tyro

        from tfconv.cli.arguments import arguments_of, mistake_in_words, parsed

        settings = parsed(
            lambda: tyro.cli(config, description=description, config=(tyro.conf.FlagCreatePairsOff,)),
            lambda: mistake_in_words(arguments_of(config), sys.argv[1:]),
        )
        recipe(settings)


@contextlib.contextmanager
def one_line_errors(program: str) -> Iterator[None]:
    """End the process with one line and the right status where the user, the disk or the numbers are at fault."""
    try:
        yield
    except InputError as error:
        _leave(f"{program}: {error}", 2)
    except KeyboardInterrupt as error:
        _leave(f"{program}: {str(error) or 'stopped'}", 128 + getattr(error, "signal", signal.SIGINT))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _leave(f"{program}: nobody reads the output any more; stopped", 1)
    except Exception as error:
        if _interrupted(error):
            _leave(f"{program}: stopped", 128 + signal.SIGINT)
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            _leave(f"{program}: {str(error.filename)[:60]}...: the name is too long: give a shorter one", 2)
        # TensorFlow puts the frames of a graph's function before the cause.
        cause = re.sub(r'.*File "[^"]*", line \d+, in \S+ ', "", " ".join(str(error).split()))
        kinds = {(kind.__module__.split(".")[0], kind.__name__) for kind in type(error).__mro__}  # nothing is imported
        exhausted = ("tensorflow", "ResourceExhaustedError") in kinds and re.search("(?i)OOM|memory|allocat", cause)
        if exhausted or isinstance(error, MemoryError):
            what = f" ({cause[:200]})" if cause else ""
            _leave(
                f"{program}: out of memory{what}: give a smaller --batch-size, a smaller --size of images, or --stream "
                "for texts",
                1,
            )
        if isinstance(error, OSError | FloatingPointError) or kinds & _FAILURES:
            _leave(f"{program}: {type(error).__name__}: {cause[:500]}", 1)
        raise


# TensorFlow's run time (a full disk, say), and a check of an export.
_FAILURES = {("tensorflow", "OpError"), ("tfconv", "ExportError")}


def _interrupted(error: BaseException | None) -> bool:
    """Say whether Ctrl-C is behind the error: an extension module struck by it while imported fails by ImportError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _leave(message: str, status: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(status)
