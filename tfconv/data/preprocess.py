"""Read the preprocessing of a run, whichever kind it is."""

import json
import pkgutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tfconv.errors import InputError
from tfconv.files import write_json

__all__ = ["are_strings", "kind_of", "load_preprocess", "read_json", "register_loader", "unreadable", "write_kind"]


LOADERS: dict[str, Callable[[Path], Any]] = {}  # of other kinds: name to what reads their preprocessing
_BUILT_IN = {
    "text": "tfconv.data.text.preprocess:TextPreprocess",
    "images": "tfconv.data.image.preprocess:ImagePreprocess",
}
_FILES = {"image.json": "images", "text.json": "text", "vocabulary.json": "text"}  # of runs without kind.json


def register_loader(kind: str, load: Callable[[Path], Any]) -> None:
    """Say what reads the preprocessing that runs of another kind keep; its `save` writes `kind.json` (`write_kind`)."""
    LOADERS[kind] = load


def write_kind(directory: str | Path, kind: str) -> None:
    """Write `kind.json`, by which `load_preprocess` knows what reads the folder."""
    write_json(Path(directory) / "kind.json", {"kind": kind})


def kind_of(directory: str | Path) -> str | None:
    """Name the kind of a preprocessing folder, without importing TensorFlow; `None`: it holds none.

    Raises:
        InputError: `kind.json` is broken, or names a kind that is not known.
    """
    directory = Path(directory)
    if not (directory / "kind.json").is_file():
        return next((kind for name, kind in _FILES.items() if (directory / name).is_file()), None)
    (settings,) = read_json(directory, ("kind.json",), "trained")
    kind = settings.get("kind") if isinstance(settings, dict) else None
    if kind not in _BUILT_IN and kind not in LOADERS:
        raise InputError(f"{directory / 'kind.json'} names no kind of work that is known here: {kind!r:.60}")
    return str(kind)


def load_preprocess(directory: str | Path) -> Any:
    """Read the preprocessing of a run, of whichever kind.

    Args:
        directory: what `save` of a preprocessing wrote.

    Raises:
        InputError: it holds none, or a file is missing, cut short or broken.
    """
    directory = Path(directory)
    kind = kind_of(directory)
    if kind is None and directory.is_dir():
        raise InputError(f"{directory} holds neither text.json nor image.json: give a folder that a run wrote")
    if kind in LOADERS:
        return LOADERS[kind](directory)
    return pkgutil.resolve_name(_BUILT_IN[kind or "text"]).load(directory)


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


def are_strings(value: Any) -> bool:
    """Whether it is a list of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
