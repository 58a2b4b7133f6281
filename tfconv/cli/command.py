"""The verbs of the `tfconv` command, and the call of one."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import tyro

from tfconv.cli import arguments as words
from tfconv.cli.check import check_verb
from tfconv.cli.data import cifar10, imdb
from tfconv.cli.launch import launch_of, split_command
from tfconv.cli.lr_find import lr_find_verb
from tfconv.cli.plot import plot
from tfconv.cli.runs import evaluate, export, predict
from tfconv.cli.train import train_verb
from tfconv.errors import InputError
from tfconv.kinds import KINDS

__all__: list[str] = []

_HELP = {
    "train": "Train a classifier.",
    "lr-find": "Find a learning rate for a training.",
    "data": "Fetch a data set.",
    "launch": "Run a command as several workers on this machine.",
}


def run(arguments: list[str]) -> None:
    """Run the command.

    Raises:
        InputError: a word of the command line is wrong, or what the verb refuses.
    """
    if arguments == ["--version"]:
        from tfconv import __version__

        print(f"tfconv {__version__}")
        return
    arguments, launched = split_command(arguments)
    table = {**verbs(), "launch": launch_of(launched)}
    for argument in arguments:
        if not argument.isprintable() and argument.encode("utf-8", "ignore") != argument.encode("utf-8", "replace"):
            raise InputError(f"the argument {argument!a} is not UTF-8: rename the file, or set a UTF-8 locale")
    call = words.parsed(
        lambda: _app(table).cli(
            prog="tfconv",
            description="Convolutional classifiers, from labelled files to a served model.",
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
        ),
        lambda: words.mistake_in_command(table, arguments),
    )
    call()


def verbs() -> words.Verbs:
    """The verbs by name; those that need settings of a training have one form for each kind of work."""
    return {
        "train": {name: train_verb(kind) for name, kind in KINDS.items()},
        "check": check_verb(),
        "lr-find": {name: lr_find_verb(kind) for name, kind in KINDS.items()},
        "evaluate": evaluate,
        "predict": predict,
        "export": export,
        "plot": plot,
        "data": {"imdb": imdb, "cifar10": cifar10},
    }


def _app(table: words.Verbs) -> tyro.extras.SubcommandApp:
    app = tyro.extras.SubcommandApp()
    for name, verb in table.items():
        command: Any = _app(verb) if isinstance(verb, Mapping) else _later(verb)
        app.command(command, name=name, help=_HELP.get(name))
    return app


def _later(verb: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """The verb as tyro meets it: called, it does nothing yet, so that only parsing happens while tyro is watched."""

    @functools.wraps(verb)
    def bound(*positional: Any, **named: Any) -> Callable[[], None]:
        return functools.partial(verb, *positional, **named)

    return bound
