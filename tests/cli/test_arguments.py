"""Wrong command lines: one line on standard error, status 2, the nearest right spelling where one is near."""

import dataclasses
import re
import sys
from typing import Literal

import pytest
import tyro
from command_line import status

from tfconv.cli import arguments, run_recipe
from tfconv.errors import InputError

TRAIN = "train text x.csv --run r"
WRONG = [
    ("", "give a command: train, check, lr-find, evaluate, predict, export, plot, data or launch; or --help"),
    ("trian", "unknown command 'trian': did you mean train?"),
    ("zzz", "unknown command 'zzz': give train, check, lr-find, evaluate, predict, export, plot, data or launch"),
    ("--hlep", "unknown option --hlep before the command: did you mean --help?"),
    ("--run r train text x.csv", "unknown option --run before the command: options follow it"),
    ("--version 3", "unknown option --version before the command: did you mean --version?"),
    ("train", "train needs text or images"),
    ("train txet x.csv", "unknown command 'train txet': did you mean train text?"),
    ("train x.csv --run r", "unknown command 'train x.csv': give train text or train images"),
    ("train --run r", "unknown option --run before the command: options follow it"),
    ("data", "data needs imdb or cifar10"),
    ("data cifar100", "unknown command 'data cifar100': did you mean data cifar10?"),
    ("train text x.csv", "train text needs --run"),
    ("train text --run r", "train text needs DATA"),
    ("train images", "train images needs DATA"),
    ("train text x.csv --rum r", "unknown option --rum for `train text`: did you mean --run?"),
    (f"{TRAIN} --learning-rat 0.1", "unknown option --learning-rat for `train text`: did you mean --learning-rate?"),
    (f"{TRAIN} --learning_rat=0.1", "unknown option --learning-rat for `train text`: did you mean --learning-rate?"),
    (f"{TRAIN} --zzz", "unknown option --zzz for `train text`: see --help"),
    (f"{TRAIN} -e 3", "unknown option -e for `train text`: see --help"),
    (f"{TRAIN} --no-resume", "unknown option --no-resume for `train text`: did you mean --resume?"),
    (
        f"{TRAIN} --optimizer adm",
        "--optimizer must be one of adam, lazy-adam, adagrad, sgd, muon; got 'adm': did you mean 'adam'?",
    ),
    (f"{TRAIN} --balanced=0", "--balanced must be one of no, weights, sampling; got '0'"),
    (f"{TRAIN} --epochs x", "--epochs must be a whole number, got 'x'"),
    (f"{TRAIN} --epochs 1.5", "--epochs must be a whole number, got '1.5'"),
    (f"{TRAIN} --epochs {'9' * 5000}", f"--epochs must be a whole number, got '{'9' * 57}...'"),
    (f"{TRAIN} --ema x", "--ema must be a number, got 'x'"),
    (f"{TRAIN} --epochs", "--epochs needs a value, a whole number"),
    (f"{TRAIN} --epochs --resume", "--epochs needs a value, a whole number"),
    (f"{TRAIN} --balanced", "--balanced needs a value, one of no, weights, sampling"),
    ("train text x.csv --run", "--run needs a value"),
    (f"{TRAIN} --resume yes", "--resume takes no value, got 'yes'"),
    (f"{TRAIN} --resume=yes", "--resume takes no value, got 'yes'"),
    (f"{TRAIN} y.csv", "train text takes DATA, got also 'y.csv'"),
    ("lr-find text x.csv --out a.png --patience 3", "unknown option --patience for `lr-find text`: see --help"),
    ("evaluate", "evaluate needs RUN"),
    ("evaluate a b c", "evaluate takes RUN and DATA, got also 'c'"),
    ("predict r --beside", "--beside needs a value"),
    ("export r", "export needs TO"),
    ("export r to --keep three", "--keep must be a whole number, got 'three'"),
    ("plot r curves --split tset", "--split must be one of test, validation, train; got 'tset': did you mean 'test'?"),
    ("plot r", "plot needs the kind of figure after RUN: tokens, samples, "),
    ("check x --kind image", "--kind must be one of text, images; got 'image': did you mean 'images'?"),
    ("launch --wrokers 3", "unknown option --wrokers for `launch`: did you mean --workers?"),
    ("data imdb folder", "data imdb takes options only, got also 'folder'"),
]


def test_a_wrong_command_line_is_one_line_and_status_two(capsys):
    for line, message in WRONG:
        assert status(*line.split()) == 2, line
        out, error = capsys.readouterr()
        assert error.startswith(f"tfconv: {message}") and error.count("\n") == 1 and not out, line


def test_numbers_that_begin_with_a_dash_are_values(capsys):
    for value, message in (("-3", "got -3"), ("-inf", "must be a whole number, got '-inf'")):
        assert status(*TRAIN.split(), "--epochs", value) == 2
        assert message in capsys.readouterr().err


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a recipe."""

    epochs: int = 3
    rate: float | None = None
    sizes: tuple[int, ...] = (1, 2)
    model: Literal["small", "large"] = "small"
    fast: bool = False


def test_recipes_say_it_in_the_same_way(monkeypatch, capsys):
    for words, message in (
        (["--epoch", "3"], "unknown option --epoch: did you mean --epochs?"),
        (["--model", "larg"], "--model must be one of small, large; got 'larg': did you mean 'large'?"),
        (["--rate", "fast"], "--rate must be a number, got 'fast'"),
        (["--sizes", "3", "x"], "--sizes must be a whole number, got 'x'"),
        (["--fast", "3"], "--fast takes no value, got '3'"),
        (["3"], "takes options only, got also '3'"),
    ):
        monkeypatch.setattr(sys, "argv", ["/somewhere/recipe.py", *words])
        with pytest.raises(SystemExit) as end:
            run_recipe(lambda config: pytest.fail("ran"), Config, "A recipe.")
        assert end.value.code == 2 and capsys.readouterr().err == f"recipe: {message}\n"
    monkeypatch.setattr(sys, "argv", ["recipe.py", "--sizes", "3", "4", "--fast"])
    found = []
    run_recipe(found.append, Config, "A recipe.")
    assert found == [Config(sizes=(3, 4), fast=True)]


def test_what_is_not_understood_is_tyros_text_in_one_line():
    def parse(*words):
        return arguments.parsed(lambda: tyro.cli(Config, args=list(words)), lambda: None)

    for words in (["--epochs", "x"], ["--epoch", "3"], ["--model", "larg"], ["--rate"]):
        with pytest.raises(InputError) as raised:
            parse(*words)
        text = str(raised.value)
        assert words[0] in text and "\u2500" not in text and "\u2502" not in text and "For full" not in text
    assert parse("--epochs", "5") == Config(epochs=5)
    with pytest.raises(SystemExit) as end:
        parse("--help")
    assert not end.value.code


def test_arguments_are_those_that_tyro_takes(capsys):
    """The options of the help, which tyro makes from the same types."""
    from tfconv.cli import command

    def verbs(table, path=()):
        for name, verb in table.items():
            yield from verbs(verb, (*path, name)) if isinstance(verb, dict) else [((*path, name), verb)]

    for path, verb in verbs(command.verbs()):
        assert status(*path, "--help") == 0
        text = capsys.readouterr().out
        for argument in arguments.arguments_of(verb):
            assert argument.positional or f"{argument.name} " in text, (path, argument)
        named = {argument.name for argument in arguments.arguments_of(verb)}
        shown = re.findall(r"(?m)^. (--[\w-]+)", text)
        assert named.issuperset(shown) and len(shown) == sum(not a.positional for a in arguments.arguments_of(verb))
