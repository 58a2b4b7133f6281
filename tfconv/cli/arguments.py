"""Read the command line by tyro, and say in one line what is wrong with it.

tyro frames its errors in boxes of five to eight lines. When it refuses, the words are gone through once more here, by
the types of the settings alone, none of tyro's internals; where that finds nothing, the text of its box becomes a line.
"""

import contextlib
import dataclasses
import difflib
import inspect
import io
import re
import sys
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro

from tfconv.errors import InputError

__all__: list[str] = []

Result = TypeVar("Result")
Verbs = Mapping[str, "Callable[..., None] | Verbs"]
_NUMBERS = {int: "a whole number", float: "a number"}


@dataclasses.dataclass(frozen=True)
class Argument:
    """One that the command line takes: an option, or what stands without one."""

    name: str  # --epochs, DATA
    hint: Any  # int, Literal["a", "b"], tuple[int, ...]; without None
    positional: bool
    required: bool


def parsed(parse: Callable[[], Result], mistake: Callable[[], str | None]) -> Result:
    """Return what tyro makes of the command line.

    Args:
        parse: calls tyro; it must do nothing else.
        mistake: says what is wrong with the words that it refused, or `None` where that cannot be told.

    Raises:
        InputError: tyro refuses; the message is one line.
        SystemExit: help was asked for, and printed.
    """
    held = io.StringIO()
    try:
        with contextlib.redirect_stderr(held):
            result = parse()
    except SystemExit as end:
        if not end.code:
            raise
        raise InputError(mistake() or _unboxed(held.getvalue())) from None
    print(held.getvalue(), end="", file=sys.stderr)
    return result


def mistake_in_command(verbs: Verbs, words: list[str]) -> str | None:
    """Say what is wrong with the words of a command: the verb, or what follows it."""
    found: Any = verbs
    path: list[str] = []
    while isinstance(found, Mapping):
        names, before = list(found), "".join(f"{verb} " for verb in path)
        word = words[len(path)].replace("_", "-") if len(path) < len(words) else None
        if word is None:
            return f"{before}needs {_one_of(names)}" if path else f"give a command: {_one_of(names)}; or --help"
        if word not in found:
            if word.startswith("-"):
                guess = _guess(word, ["--help", "--version"])
                return f"unknown option {word} before the command{guess or ': options follow it'}"
            guess = _guess(word, names, before)
            return f"unknown command '{before}{word[:60]}'{guess or f': give {_one_of([before + n for n in names])}'}"
        path.append(word)
        found = found[word]
    called = " ".join(path)
    return mistake_in_words(arguments_of(found), words[len(path) :], called)


def mistake_in_words(arguments: list[Argument], words: list[str], called: str = "") -> str | None:
    """Say what is the first mistake in the words for a function or a dataclass; `None`: none was found.

    Args:
        arguments: what is taken.
        words: what was given.
        called: the verb, for the message; of a recipe, which has none, the empty string.
    """
    options = {argument.name: argument for argument in arguments if not argument.positional}
    places = [argument for argument in arguments if argument.positional]
    room = None if any(get_origin(place.hint) is tuple for place in places) else len(places)
    seen: set[str] = set()
    left, loose = list(words), 0
    before = None  # an option that takes no value, as the word before
    while left:
        word = left.pop(0)
        if not _is_option(word):
            loose += 1
            if room is not None and loose > room:
                if before is not None:
                    return f"{before} takes no value, got {_shown(word)}"
                takes = "takes " + (" and ".join(place.name for place in places) or "options only")
                return f"{called} {takes}, got also {_shown(word)}".strip()
            before = None
            continue
        name, equals, value = word.partition("=")
        name = name.replace("_", "-")
        option = options.get(name)
        if option is None:
            where = f" for `{called}`" if called else ""
            return f"unknown option {name[:60]}{where}{_guess(name, [*options, '--help']) or ': see --help'}"
        seen.add(name)
        before = name if option.hint is bool else None
        if option.hint is bool:
            if equals:
                return f"{name} takes no value, got {_shown(value)}"
            continue
        values = [value] if equals else left[:1]
        if not equals and (not left or _is_option(left.pop(0))):
            return f"{name} needs a value{_meaning(option.hint)}"
        if get_origin(option.hint) is tuple:
            while left and not _is_option(left[0]):
                values.append(left.pop(0))
        for value in values:
            if problem := _problem(option.hint, value):
                return f"{name} must be {problem}"
    for number, argument in enumerate([*places, *options.values()]):
        if argument.required and (number >= loose if argument.positional else argument.name not in seen):
            return f"{called} needs {argument.name}".strip()
    return None


def arguments_of(target: Any) -> list[Argument]:
    """What a function or a dataclass takes from the command line; those of its one argument where that is a dataclass.

    Args:
        target: a verb, or the settings of a recipe.
    """
    target = inspect.unwrap(target)
    hints = get_type_hints(target, include_extras=True)
    hints.pop("return", None)
    if not dataclasses.is_dataclass(target) and len(hints) == 1:
        (hint,) = hints.values()
        if dataclasses.is_dataclass(get_args(hint)[0] if get_origin(hint) is Annotated else hint):
            return arguments_of(get_args(hint)[0])
    if dataclasses.is_dataclass(target):
        fields = dataclasses.fields(target)
        required = {f.name: f.default is f.default_factory is dataclasses.MISSING for f in fields}
    else:
        required = {n: p.default is p.empty for n, p in inspect.signature(target).parameters.items()}
    every = [_argument(name, hints[name], is_required) for name, is_required in required.items() if name in hints]
    return [argument for argument in every if argument is not None]


def _argument(name: str, hint: Any, required: bool) -> Argument | None:
    base, marks = (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
    if _marked(marks, tyro.conf.Suppress):
        return None
    positional = _marked(marks, tyro.conf.Positional)
    if get_origin(base) in (Union, UnionType):
        base = next(one for one in get_args(base) if one is not type(None))
    if not positional:
        return Argument(f"--{name.rstrip('_').replace('_', '-')}", base, False, required)
    metavar = next((mark.metavar for mark in marks if getattr(mark, "metavar", None)), name.upper())
    return Argument(metavar, base, True, required and get_origin(base) is not tuple)


def _marked(marks: tuple[Any, ...], marker: Any) -> bool:
    """Whether a type has one of tyro's markers, written as Marker[type] or as Annotated[type, Marker]."""
    return any(mark in marks for mark in (marker, *get_args(marker[int])[1:]))


def _is_option(word: str) -> bool:
    """Whether it is one to tyro: --epochs, -e; but no negative number."""
    return (
        word.startswith("-") and word.lstrip("-")[:1].isalpha() and not re.fullmatch(r"(?i)-(inf|infinity|nan)", word)
    )


def _problem(hint: Any, value: str) -> str | None:
    """Say what the value of an option must be, if it is not."""
    if get_origin(hint) is tuple:
        hint = get_args(hint)[0]
    if get_origin(hint) is Literal:
        choices = [str(choice) for choice in get_args(hint)]
        if value in choices:
            return None
        near = difflib.get_close_matches(value, choices, 1)
        return f"one of {', '.join(choices)}; got {_shown(value)}" + (f": did you mean {near[0]!r}?" if near else "")
    if hint in _NUMBERS:
        try:
            hint(value)
        except ValueError:
            return f"{_NUMBERS[hint]}, got {_shown(value)}"
    return None


def _meaning(hint: Any) -> str:
    """What the value of an option would be."""
    if get_origin(hint) is Literal:
        return f", one of {', '.join(map(str, get_args(hint)))}"
    return f", {_NUMBERS[hint]}" if hint in _NUMBERS else ""


def _guess(word: str, names: list[str], before: str = "") -> str:
    bare = {name.lstrip("-"): name for name in names}  # dashes alike say nothing
    near = [bare[name] for name in difflib.get_close_matches(word.lstrip("-"), bare, 1)]
    return f": did you mean {before}{near[0]}?" if near else ""


def _one_of(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


def _shown(value: str) -> str:
    return repr(value if len(value) <= 60 else f"{value[:57]}...")


def _unboxed(text: str) -> str:
    """The words of tyro's box, without its frame and its last advice."""
    words = " ".join(re.sub(r"\x1b\[[0-9;]*m|[\u2500-\u257f]", " ", text).split())
    return re.sub(r" For full helptext,.*", "", words) or "the command line cannot be read: see --help"
