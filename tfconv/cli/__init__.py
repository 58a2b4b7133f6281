"""The `tfconv` command: a thin layer over the package, one function a verb.

Exit status: 0 done, 1 failed, 2 the user's mistake (one line on standard error, no traceback), 130 stopped by Ctrl-C.
"""

import sys

import tyro

from tfconv.cli.data import data
from tfconv.cli.run_verbs import evaluate, export, predict
from tfconv.cli.train_text import train_text
from tfconv.errors import InputError

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command; `arguments` default to those of the process."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        from tfconv import __version__

        print(f"tfconv {__version__}")
        return
    train = tyro.extras.SubcommandApp()
    train.command(train_text, name="text")
    app = tyro.extras.SubcommandApp()
    app.command(train, name="train", help="Train a classifier.")
    app.command(evaluate)
    app.command(predict)
    app.command(export)
    app.command(data, name="data", help="Fetch a data set.")
    try:
        app.cli(
            prog="tfconv",
            description="Convolutional classifiers, from labelled files to a served model.",
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
    except InputError as error:
        _leave(f"tfconv: {error}", 2)
    except KeyboardInterrupt as error:
        _leave(f"tfconv: {error or 'stopped'}", 130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader (head, less) has what it wanted
        sys.exit(0)
    except (OSError, FloatingPointError, MemoryError) as error:
        _leave(f"tfconv: {type(error).__name__}: {error}", 1)


def _leave(message: str, status: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(status)
