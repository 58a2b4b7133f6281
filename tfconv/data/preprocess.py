"""Read the preprocessing of a run, whichever kind it is."""

import json
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfconv import tasks
from tfconv.errors import InputError
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL, Task

__all__ = ["are_strings", "load_preprocess", "pop_task", "read_json", "unreadable"]


def load_preprocess(directory: str | Path) -> Any:
    """Read what `TextPreprocess.save` or `ImagePreprocess.save` wrote.

    Args:
        directory: holds `image.json`, or `text.json` and `vocabulary.json`.

    Raises:
        InputError: there is neither, or a file is missing, cut short or broken.
    """
    directory = Path(directory)
    if (directory / "image.json").is_file():
        return pkgutil.resolve_name("tfconv.data.image.preprocess:ImagePreprocess").load(directory)
    if directory.is_dir() and not any((directory / name).exists() for name in ("text.json", "vocabulary.json")):
        raise InputError(f"{directory} holds neither text.json nor image.json: give a folder that a run wrote")
    return pkgutil.resolve_name("tfconv.data.text.preprocess:TextPreprocess").load(directory)


def read_json(directory: str | Path, names: Sequence[str], kind: str) -> list[Any]:
    """The contents of files in a folder.

    Args:
        directory: the folder.
        names: the files.
        kind: what wrote them, for messages: `"text"`, `"image"`.

    Raises:
        InputError: a file is missing or no JSON.
    """
    try:
        return [json.loads((Path(directory) / name).read_text("utf-8")) for name in names]
    except (FileNotFoundError, NotADirectoryError) as error:
        article = "an" if kind == "image" else "a"
        raise InputError(f"{error.filename} is missing: give a folder that {article} {kind} run wrote") from None
    except (ValueError, RecursionError, IsADirectoryError) as error:
        raise unreadable(directory, kind, error) from None


def unreadable(directory: str | Path, kind: str, problem: object) -> InputError:
    """The error that says why a preprocessing cannot be read back."""
    return InputError(
        f"{directory} holds no readable {kind} preprocessing: {problem}; copy the folder anew, or train again"
    )


def pop_task(settings: dict[str, Any]) -> Task:
    """Take the task out of stored settings; older files say `multi_label` in its place.

    Raises:
        InputError: there is no such task.
    """
    several = settings.pop("multi_label", False)
    name = settings.pop("task", (MULTI_LABEL if several else CLASSIFICATION).name)
    if not isinstance(several, bool) or not isinstance(name, str):
        raise InputError(f"task must be a name, and multi_label true or false; got {name!r:.60}, {several!r:.60}")
    return tasks.get(name)


def are_strings(value: Any) -> bool:
    """Whether it is a list of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
