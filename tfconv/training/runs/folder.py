"""The files of a run folder, without TensorFlow: whether it is finished, of which kind, and with which settings."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfconv.data.preprocess import kind_of
from tfconv.errors import InputError

__all__: list[str] = []

CONTENTS = (
    "config.json model.keras preprocess checkpoints history.csv logs report result.json answers.npz cycles".split()
)


@dataclass(frozen=True)
class RunFolder:
    """What the files of a finished run say before its model is loaded."""

    directory: Path
    config: dict[str, Any]  # empty where none was saved
    kind: str | None  # None: the model was trained without `preprocess`


def look(directory: str | Path, *, preprocess: bool = True) -> RunFolder:
    """Look at the folder of a finished run.

    Args:
        directory: the run folder.
        preprocess: whether what follows needs the run's preprocessing.

    Raises:
        InputError: the folder holds no finished run, a file of it is broken, or the preprocessing is needed and not
            there.
    """
    directory = Path(directory)
    path = directory / "model.keras"
    if not path.is_file():
        unfinished = (directory / "checkpoints").is_dir()
        hint = (
            "it was not finished: run the same command with --resume"
            if unfinished
            else "give a folder that `tfconv train --run` wrote"
        )
        raise InputError(f"{directory} holds no trained model: {hint}")
    if not zipfile.is_zipfile(path):  # of which Keras says that it is not there
        raise InputError(f"{path} is no Keras model, or cut short: copy it anew, or train again")
    config = read_config(directory / "config.json") if (directory / "config.json").exists() else {}
    kind = kind_of(directory / "preprocess")
    if preprocess and kind is None:
        if (directory / "preprocess").is_dir():
            raise InputError(f"{directory / 'preprocess'} holds neither text.json nor image.json: copy the run anew")
        raise InputError(
            f"{directory} was trained without `preprocess`, which makes the model's inputs: train again with "
            "fit(..., preprocess=data.preprocess)"
        )
    return RunFolder(directory, config, kind)


def read_config(path: Path) -> dict[str, Any]:
    """The settings in a `config.json`.

    Raises:
        InputError: it is no JSON, or holds no settings.
    """
    try:
        config = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError, IsADirectoryError) as error:
        raise InputError(f"{path} is no JSON: {error}") from None
    if not isinstance(config, dict):
        raise InputError(f"{path} holds no settings: copy the run anew, or train again")
    return config


def refuse_file(directory: Path) -> None:
    """Refuse a path that is a file.

    Raises:
        InputError: it is one.
    """
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory} is a file: give a folder for the run")


def refuse_held(directory: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse a folder that a new training may not write into.

    Raises:
        InputError: it holds a run and neither `resume` nor `overwrite` is set, or something that is no run; it is a
            file.
    """
    refuse_file(directory)
    if (directory / "summary.json").is_file():
        raise InputError(f"{directory} holds a cross-validation: choose another folder for a single run")
    held = [name for name in CONTENTS if (directory / name).exists()]
    if held and not any((directory / name).is_file() for name in ("config.json", "model.keras")):
        if not any((directory / "checkpoints").glob("epoch-*.npz")):
            raise InputError(f"{directory} holds {held[0]}, which is of no run of tfconv: choose another folder")
    if held and not resume and not overwrite:
        raise InputError(
            f"{directory} holds a run already: go on with resume=True (--resume), replace it with "
            "overwrite=True (--overwrite), or choose another folder"
        )
