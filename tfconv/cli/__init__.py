"""The `tfconv` command: a thin layer over the package, one function a verb.

Exit status: 0 done, 1 failed, 2 the user's mistake (one line on standard error, no traceback), 130 stopped by Ctrl-C,
143 by SIGTERM.
`tfconv launch` ends with the status of the worker that failed first.
"""

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

import tyro

from tfconv.cli import train_images, train_text
from tfconv.cli.check_verb import check
from tfconv.cli.data_verbs import data
from tfconv.cli.launch_verb import launch_of, split_command
from tfconv.cli.lr_find_verb import lr_find_images, lr_find_text
from tfconv.cli.plot_verb import plot
from tfconv.cli.run_verbs import evaluate, export, predict
from tfconv.errors import InputError

__all__ = ["main", "one_line_errors", "run_recipe"]

Config = TypeVar("Config")


def main(arguments: list[str] | None = None) -> None:
    """Run the command; `arguments` default to those of the process."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        from tfconv import __version__

        print(f"tfconv {__version__}")
        return
    train = tyro.extras.SubcommandApp()
    train.command(name="text")(train_text.train_text)
    train.command(name="images")(train_images.train_images)
    lr_find = tyro.extras.SubcommandApp()
    lr_find.command(name="text")(lr_find_text)
    lr_find.command(name="images")(lr_find_images)
    app = tyro.extras.SubcommandApp()
    app.command(train, name="train", help="Train a classifier.")
    app.command(check)
    app.command(lr_find, name="lr-find", help="Find a learning rate for a training.")
    app.command(evaluate)
    app.command(predict)
    app.command(export)
    app.command(plot)
    app.command(data, name="data", help="Fetch a data set.")
    with one_line_errors("tfconv"):
        arguments, launched = split_command(arguments)
        app.command(name="launch", help="Run a command as several workers on this machine.")(launch_of(launched))
        for argument in arguments:
            if not argument.isprintable() and argument.encode("utf-8", "ignore") != argument.encode("utf-8", "replace"):
                raise InputError(f"the argument {argument!a} is not UTF-8: rename the file, or set a UTF-8 locale")
        app.cli(
            prog="tfconv",
            description="Convolutional classifiers, from labelled files to a served model.",
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
        )


def run_recipe(recipe: Callable[[Config], object], config: type[Config], description: str | None) -> None:
    """Run a recipe's `main` with its settings from the command line, and end as the command does.

    Args:
        recipe: takes the settings.
        config: a dataclass; its fields are the options.
        description: the recipe's docstring, for `--help`.
    """
    with one_line_errors(Path(sys.argv[0]).stem):
        recipe(tyro.cli(config, description=description, config=(tyro.conf.FlagCreatePairsOff,)))


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
        if not isinstance(error, OSError | FloatingPointError | MemoryError) and not _of_tensorflow_or_export(error):
            raise
        # TensorFlow puts the frames of a graph's function before the cause.
        cause = re.sub(r'.*File "[^"]*", line \d+, in \S+ ', "", " ".join(str(error).split()))
        _leave(f"{program}: {type(error).__name__}: {cause[:500]}", 1)


def _of_tensorflow_or_export(error: Exception) -> bool:
    """Whether TensorFlow's run time (a full disk, memory) or a check of an export is at fault; imports neither."""
    kinds = {(kind.__module__.split(".")[0], kind.__name__) for kind in type(error).__mro__}
    return ("tensorflow", "OpError") in kinds or ("tfconv", "ExportError") in kinds


def _leave(message: str, status: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(status)
