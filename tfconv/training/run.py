"""The run directory: all that `evaluate`, `predict`, `export` and `serve` need of a training.

config.json     what was asked for                  checkpoints/   to resume from
model.keras     the trained model                   history.csv    one row an epoch
preprocess/     vocabulary or picture size, names   logs/          TensorBoard
result.json     what came out                       report/        plots and tables
answers.npz     some inputs, and the model's answers as it was trained
"""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import keras

from tfconv.data.image import ImagePreprocess
from tfconv.data.saved_preprocess import load_preprocess
from tfconv.data.text import TextPreprocess
from tfconv.errors import InputError
from tfconv.files import atomic_path, write_json
from tfconv.run_folder import CONTENTS, look, read_config, refuse_file, refuse_held

__all__ = ["Run", "load_run"]

_MAY_CHANGE = {"epochs", "patience", "resume", "overwrite", "run", "strategy", "threads"}  # how far and where, not what


@dataclass(frozen=True)
class Run:
    """A finished training, read back."""

    model: keras.Model
    preprocess: TextPreprocess | ImagePreprocess
    config: dict[str, Any]
    directory: Path

    @property
    def kind(self) -> Literal["text", "images"]:
        """What it classifies, as in `tfconv train text` and `tfconv train images`."""
        return "images" if isinstance(self.preprocess, ImagePreprocess) else "text"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the outputs."""
        return self.preprocess.class_names

    @property
    def multi_label(self) -> bool:
        """Whether each class is a yes or no of its own."""
        return self.preprocess.multi_label


def load_run(directory: str | Path) -> Run:
    """Read a run directory.

    The model file is loaded in Keras' safe mode: a file from elsewhere cannot run code.

    Raises:
        InputError: the folder holds no finished run, one without preprocessing, or a file of it is broken.
    """
    folder = look(directory)
    return Run(
        load_model(folder.directory), load_preprocess(folder.directory / "preprocess"), folder.config, folder.directory
    )


def load_model(directory: str | Path) -> keras.Model:
    """Read the model of a run directory, which may have no preprocessing.

    Raises:
        InputError: the folder holds no finished run, or a file of it is broken.
    """
    path = look(directory, preprocess=False).directory / "model.keras"
    from tfconv import layers, models  # noqa: F401  registers our classes with Keras
    from tfconv.data import augment  # noqa: F401  and the layer for augmentation inside a model

    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # a damaged file fails in whatever part of Keras, zip or HDF5 it reaches
        raise InputError(f"{path} cannot be read as a Keras model: {error}") from None


class Description(NamedTuple):
    """What a run keeps beside the model: its settings, and what made its inputs."""

    config: dict[str, Any] | None = None
    preprocess: Any = None


@contextlib.contextmanager
def taken(directory: Path) -> Iterator[None]:
    """Make a folder where there is none, and keep other processes out of it.

    Raises:
        InputError: it is no folder, cannot be written, or is in use.
    """
    refuse_file(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = open(directory / ".lock", "w")
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"{directory} cannot be written ({reason}): give a folder for the run that you may write to"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"another process is training into {directory}: wait or choose another folder") from None
        yield


@contextlib.contextmanager
def opened(directory: Path, description: Description, *, resume: bool, overwrite: bool) -> Iterator[Path]:
    """Take a run directory, so that no second process writes into it; nothing in it is touched before `begin`.

    Raises:
        InputError: it holds a run and neither `resume` nor `overwrite` is set, or one of other settings or data, or
            something that is no run; it is no folder, or it is in use.
    """
    with taken(directory):
        refuse_held(directory, resume=resume, overwrite=overwrite)
        if resume:
            _check_same(directory, description)
        yield directory


def begin(directory: Path, description: Description, *, resume: bool) -> None:
    """Write what the run is about, after everything that could be refused was; delete an overwritten run's files."""
    if not resume:
        for name in CONTENTS:
            path = directory / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    if description.config is not None:
        write_json(directory / "config.json", description.config)
    if description.preprocess is not None:
        description.preprocess.save(directory / "preprocess")


def _check_same(directory: Path, description: Description) -> None:
    """Refuse to resume with other settings or data: the result would be that of neither."""
    path = directory / "config.json"
    if description.config is not None and path.exists():
        before = read_config(path)
        if before.get("swa_epochs") and before.get("epochs") != description.config.get("epochs"):
            raise InputError(
                f"{directory} averages the weights of the last epochs of {before.get('epochs')} (--swa-epochs), which "
                "others would not be: resume with the same --epochs, or choose another folder"
            )
        for name in sorted(before.keys() & description.config.keys() - _MAY_CHANGE):
            if before[name] != description.config[name]:
                if name == "data_sha256":
                    raise InputError(f"the data of {directory} changed since it was started: choose another folder")
                raise InputError(
                    f"{directory} was started with {name}={before[name]!r}, now it is {description.config[name]!r}: "
                    "resume with the same settings, or choose another folder"
                )
    if description.preprocess is not None and (directory / "preprocess").is_dir():
        with tempfile.TemporaryDirectory() as temporary:
            description.preprocess.save(temporary)
            for now in Path(temporary).iterdir():
                then = directory / "preprocess" / now.name
                if not then.is_file() or then.read_bytes() != now.read_bytes():
                    images = now.name == "image.json"
                    data = "pictures, classes or sizes" if images else "texts, classes or settings of words"
                    raise InputError(
                        f"{directory} was started on other {data} ({then.name} differs): "
                        "resume with the same, or choose another folder"
                    )


def save_model(model: keras.Model, directory: Path) -> None:
    """Write `model.keras`, whole or not at all."""
    with atomic_path(directory / "model.keras") as temporary:
        model.save(temporary)
