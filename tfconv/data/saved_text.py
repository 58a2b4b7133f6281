"""The two files that keep a text preprocessing: `text.json` and `vocabulary.json`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfconv.data.limits import check_whole
from tfconv.data.saved_settings import are_strings, read_json, unreadable
from tfconv.errors import InputError
from tfconv.files import write_json

__all__ = ["read_settings", "write_settings"]

_SPECIAL = 3  # padding, start, unknown: the first ids of every vocabulary


def write_settings(directory: str | Path, tokens: Sequence[str], settings: dict[str, Any]) -> None:
    """Write `vocabulary.json` (a list, so that a line feed can be a token) and `text.json` into `directory`.

    Args:
        directory: a folder; it is made if need be.
        tokens: all tokens in the order of their ids; the three special ones are not written.
        settings: what else makes a `TextPreprocess`.
    """
    write_json(Path(directory) / "vocabulary.json", list(tokens[_SPECIAL:]))
    write_json(Path(directory) / "text.json", settings | {"vocabulary_size": len(tokens)})


def read_settings(directory: str | Path) -> tuple[list[str], dict[str, Any]]:
    """The tokens, without the three special ones, and the settings that `write_settings` wrote.

    Raises:
        InputError: a file is missing, cut short or not as it was written.
    """
    settings, tokens = read_json(directory, ("text.json", "vocabulary.json"), "text")
    problem = _problem(settings, tokens)
    if problem:
        raise unreadable(directory, "text", problem)
    settings.pop("vocabulary_size", None)
    return tokens, settings


def _problem(settings: Any, tokens: Any) -> str | None:
    if not isinstance(settings, dict) or not isinstance(settings.get("tokenizer"), dict) or "length" not in settings:
        return "text.json lacks tokenizer or length"
    try:
        check_whole("text.json: length", settings["length"], optional=True)
    except InputError as error:
        return str(error)
    flags = [settings["tokenizer"].get(name, False) for name in ("punctuation", "lowercase")]
    flags += [settings.get(name, False) for name in ("start", "multi_label")]
    if not all(isinstance(flag, bool) for flag in flags):
        return "text.json: punctuation, lowercase, start and multi_label must be true or false"
    if not are_strings(settings.get("class_names", [])):
        return "text.json: class_names is no list of strings"
    if not are_strings(tokens) or not tokens:
        return "vocabulary.json is no list of strings, or an empty one"
    size = settings.get("vocabulary_size", len(tokens) + _SPECIAL)
    if size != len(tokens) + _SPECIAL:
        return f"vocabulary.json has {len(tokens)} tokens and text.json says {size} with the {_SPECIAL} special ones"
    return None
