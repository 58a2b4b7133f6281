"""The preprocessing of a run: what every kind of it has, and how it is read back, whichever kind it is."""

import json
import pkgutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from tfconv import tasks
from tfconv.errors import InputError
from tfconv.files import write_json
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL, Task

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = [
    "LOADERS",
    "Preprocess",
    "are_strings",
    "kind_of",
    "load_preprocess",
    "pop_task",
    "read_json",
    "register_loader",
    "unreadable",
    "write_kind",
]

Loader = Callable[[Path], "Preprocess"]
# Of each kind what reads its folder, or where that is found: importing it may import TensorFlow.
LOADERS: dict[str, Loader | str] = {
    "text": "tfconv.data.text.preprocess:TextPreprocess.load",
    "images": "tfconv.data.image.preprocess:ImagePreprocess.load",
}
_KIND = "kind.json"
_OLDER = {"image.json": "images", "text.json": "text", "vocabulary.json": "text"}  # of runs before there was kind.json


class Preprocess(Protocol):
    """From raw examples to a model's inputs, in one graph for training and for serving.

    Attributes:
        kind: name of the kind of work, which `save` hands to `write_kind`.
        task: one class an example, or any number of labels.
        class_names: the classes in the order of the model's outputs.
    """

    kind: str
    task: Task
    class_names: tuple[str, ...]

    def __call__(self, raw: "tf.Tensor") -> "tf.Tensor":
        """Raw examples, strings (n,), to inputs (n, ...)."""

    def save(self, directory: str | Path) -> None:
        """Write files into `directory`, and of which kind they are: see `write_kind`."""

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Read what `save` wrote."""


def register_loader(kind: str, loader: Loader) -> None:
    """Let `load_preprocess` read another kind of preprocessing.

    Args:
        kind: the name that its `save` hands to `write_kind`.
        loader: from the folder to the preprocessing.
    """
    LOADERS[kind] = loader


def write_kind(directory: str | Path, kind: str) -> None:
    """Write `kind.json`, which says what reads the folder back."""
    write_json(Path(directory) / _KIND, {"kind": kind})


def kind_of(directory: str | Path) -> str | None:
    """The kind of the preprocessing in a folder; None where there is none. TensorFlow is not imported.

    Raises:
        InputError: `kind.json` is broken.
    """
    directory = Path(directory)
    if not (directory / _KIND).is_file():
        return next((kind for name, kind in _OLDER.items() if (directory / name).is_file()), None)
    (content,) = read_json(directory, (_KIND,), "text")
    if not isinstance(content, dict) or not isinstance(content.get("kind"), str):
        raise InputError(f"{directory / _KIND} names no kind: copy the folder anew, or train again")
    return content["kind"]


def load_preprocess(directory: str | Path) -> Any:
    """Read the preprocessing that a run wrote, whichever kind it is.

    Args:
        directory: the folder that `save` wrote, such as `preprocess/` of a run.

    Returns:
        `TextPreprocess`, `ImagePreprocess`, or what a registered loader returns.

    Raises:
        InputError: there is none, or one of a kind that is not known; or a file is missing, cut short or broken.
    """
    directory = Path(directory)
    kind = kind_of(directory)
    if kind is None:
        if not directory.is_dir():
            raise InputError(f"{directory} is missing: give a folder that a run wrote")
        raise InputError(f"{directory} holds neither text.json nor image.json: give a folder that a run wrote")
    if kind not in LOADERS:
        raise InputError(f"{directory} is preprocessing of the kind {kind!r}, and known are {', '.join(LOADERS)}")
    loader = LOADERS[kind]
    return (pkgutil.resolve_name(loader) if isinstance(loader, str) else loader)(directory)


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
        raise InputError(f"{error.filename} is missing: give the folder of a run of {kind}s") from None
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
