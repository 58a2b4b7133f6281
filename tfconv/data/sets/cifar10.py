"""CIFAR-10 (Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images").

50,000 training and 10,000 test images of 32x32 pixels in ten classes, as many of each. The module is not called
cifar10 so that `tfconv.data.cifar10` is always the function.
"""

import functools
import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tfconv.data.download import data_directory, download, unpack
from tfconv.data.image.dataset import ImageData, ImageExamples
from tfconv.data.splits import stratified_split
from tfconv.errors import InputError

__all__ = ["cifar10", "cifar10_folder"]

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
MD5 = "c58f30108f718f92721af3b95e74349a"
SIZE = 170_498_071
PER_FILE = 10_000  # images
_PICKLED, _BINARY = "cifar-10-batches-py", "cifar-10-batches-bin"
_ARCHIVES = {"cifar-10-python.tar.gz": _PICKLED, "cifar-10-binary.tar.gz": _BINARY}
_TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
_FILES = {
    _PICKLED: (*_TRAIN_FILES, "test_batch", "batches.meta"),
    _BINARY: (*(f"{name}.bin" for name in (*_TRAIN_FILES, "test_batch")), "batches.meta.txt"),
}
_CLASSES, _PIXELS = 10, 3 * 32 * 32
_SPARE = 4_000_000  # bytes of a pickle beside the pixels: labels and file names
_REMEDY = "unpack the archive anew"


def cifar10(directory: str | Path | None = None, *, validation: int | float = 10_000, seed: int = 0) -> ImageData:
    """Read CIFAR-10 from its folder in either official form, or from an archive beside it, or download it (170 MB).

    Args:
        directory: the folder that holds cifar-10-batches-py, cifar-10-batches-bin, cifar-10-python.tar.gz or
            cifar-10-binary.tar.gz (or one of the first two itself); by default the variable TFCONV_DATA_DIR, else
            ~/.cache/tfconv.
        validation: how many training images to hold out, the last ones in the order of the files (the default leaves
            40,000); or a fraction between 0 and 1: picked by `seed`, as many of each class; 0: none.
        seed: decides which images a fraction holds out.

    Returns:
        Images (32, 32, 3); splits train, validation (unless 0) and test, in the order of the files.

    Raises:
        InputError: neither folder nor archive is there and the download fails; a file that is missing, cut short,
            longer than it should be, or holds something else; a broken archive; `validation` is out of range.
    """
    most = len(_TRAIN_FILES) * PER_FILE
    whole = isinstance(validation, int) and not isinstance(validation, bool) and 0 <= validation < most
    if not whole and not (isinstance(validation, float) and 0 <= validation < 1):
        raise InputError(
            f"validation must be a number of images from 0 to {most - 1:,}, or a fraction from 0 to less than 1; "
            f"got {validation!r:.60}"
        )
    folder = cifar10_folder(directory)
    pickled = (folder / "batches.meta").is_file()
    names = _pickled_class_names(folder / "batches.meta") if pickled else _class_names(folder / "batches.meta.txt")
    store = np.empty((most + PER_FILE, 32, 32, 3), np.uint8)
    labels = np.empty(len(store), np.int32)
    for index, name in enumerate((*_TRAIN_FILES, "test_batch")):
        pixels, labels_here = _read_pickled(folder / name) if pickled else _read_binary(folder / f"{name}.bin")
        here = slice(index * PER_FILE, (index + 1) * PER_FILE)
        store[here] = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels[here] = labels_here
    every = ImageExamples(store, labels)
    if whole:
        kept, held = np.split(np.arange(most), [most - int(validation)])
    else:
        kept, held = stratified_split(labels[:most], validation, seed=seed)
    examples = {"train": every.take(kept)}
    if len(held):
        examples["validation"] = every.take(held)
    examples["test"] = every.take(np.arange(most, len(store)))
    return ImageData("cifar10", names, examples)


def cifar10_folder(directory: str | Path | None = None) -> Path:
    """Return the folder of batches; unpack or download it where it is missing; see `cifar10`.

    Returns:
        The folder, with all its files.

    Raises:
        InputError: as `cifar10`.
    """
    directory = data_directory(directory)
    for folder in (directory / _PICKLED, directory / _BINARY, directory):
        form = _form(folder)
        if form:
            _check(form, folder)
            return folder
    archive = next((directory / name for name in _ARCHIVES if (directory / name).is_file()), None)
    if archive is None:
        archive = directory / next(iter(_ARCHIVES))
        try:
            download(URL, archive, md5=MD5, size=SIZE)
        except InputError as error:
            raise InputError(
                f"CIFAR-10 is not in {directory} and the download failed ({error}). Three ways to get it: "
                f"(1) run again with a connection to {URL}; (2) put {archive.name} from there into {directory}; "
                f"(3) name the folder that holds {_PICKLED} or {_BINARY} as directory= or in TFCONV_DATA_DIR"
            ) from error
    form = _ARCHIVES[archive.name]
    unpack(archive, directory / form, functools.partial(_check, form, archive=archive))
    return directory / form


def _form(folder: Path) -> str | None:
    """The form of a folder of batches, by its name or by the file in which the classes are named."""
    if folder.name in _FILES and folder.is_dir():
        return folder.name
    return next((form for form, names in _FILES.items() if (folder / names[-1]).is_file()), None)


def _check(form: str, folder: Path, archive: Path | None = None) -> None:
    for name in _FILES[form]:
        if not (folder / name).is_file():
            if archive:
                raise InputError(f"{archive} holds no file {form}/{name}; remove it and run again")
            raise InputError(f"{folder / name} is missing; {_REMEDY}")


def _new_array(*arguments: Any) -> np.ndarray:
    """What NumPy's `_reconstruct` makes: an array that gets type, shape and content by its `__setstate__`."""
    return np.empty(0, np.uint8)


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _new_array,
    ("numpy._core.multiarray", "_reconstruct"): _new_array,  # NumPy 2
    ("numpy", "ndarray"): None,  # only ever an argument of _reconstruct
    ("numpy", "dtype"): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Read dicts, lists, numbers, strings and NumPy arrays; refuse every other name, so that no code is run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise _ForbiddenName(f"{module}.{name}")
        return _NAMES[module, name]


class _ForbiddenName(Exception):
    pass


def _read_pickle(path: Path, most_bytes: int) -> dict[str, Any]:
    """Read a dict; keys are `str`, strings that Python 2 wrote `bytes`.

    Raises:
        InputError: no file, too long a one, one that names anything else than arrays do, or no dict.
    """
    content = _read_limited(path, most_bytes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's, about how its first versions wrote arrays
            value = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(value, dict):
            raise pickle.UnpicklingError(f"a {type(value).__name__} where a dict is expected")
        return {key.decode() if isinstance(key, bytes) else str(key): item for key, item in value.items()}
    except _ForbiddenName as error:
        raise InputError(
            f"{path} asks for {error}, which no file of CIFAR-10 needs and which was not run: do not trust this file, "
            f"{_REMEDY}"
        ) from None
    except Exception as error:  # a broken pickle can fail in any way
        raise InputError(
            f"{path} is no batch of CIFAR-10 ({str(error) or type(error).__name__:.100}); {_REMEDY}"
        ) from None


def _read_limited(path: Path, most_bytes: int) -> bytes:
    """The content of a file.

    Raises:
        InputError: it is missing, cannot be read, or is longer than `most_bytes`.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(most_bytes + 1)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; {_REMEDY}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    if len(content) > most_bytes:
        raise InputError(f"{path} has more than {most_bytes:,} bytes, which no file of CIFAR-10 has; {_REMEDY}")
    return content


def _pickled_class_names(path: Path) -> tuple[str, ...]:
    names = _read_pickle(path, _SPARE).get("label_names")
    if not isinstance(names, list) or not all(isinstance(name, (bytes, str)) for name in names):
        raise InputError(f"{path} has no list of label_names; {_REMEDY}")
    return _ten(path, [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names])


def _class_names(path: Path) -> tuple[str, ...]:
    return _ten(path, _read_limited(path, _SPARE).decode("utf-8", "replace").split())


def _ten(path: Path, names: list[str]) -> tuple[str, ...]:
    if len(set(names)) != _CLASSES or len(names) != _CLASSES or not all(name.isprintable() for name in names):
        raise InputError(f"{path} must name {_CLASSES} different classes, and names {len(names)}; {_REMEDY}")
    return tuple(names)


def _read_pickled(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 (10000, 3072) and labels of a batch in the Python form."""
    batch = _read_pickle(path, PER_FILE * _PIXELS + _SPARE)
    pixels, labels = batch.get("data"), batch.get("labels")
    if not isinstance(pixels, np.ndarray) or (pixels.dtype, pixels.shape) != (np.uint8, (PER_FILE, _PIXELS)):
        found = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else f"a {type(pixels).__name__}"
        raise InputError(f"{path}: data must be uint8 ({PER_FILE}, {_PIXELS}), got {found}; {_REMEDY}")
    if not isinstance(labels, list) or len(labels) != PER_FILE:
        raise InputError(f"{path}: labels must be a list of {PER_FILE:,}; {_REMEDY}")
    return pixels, _checked_labels(path, labels)


def _read_binary(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The same of the binary form: of each image the label, then its pixels."""
    size = PER_FILE * (1 + _PIXELS)
    content = _read_limited(path, size)
    if len(content) != size:
        raise InputError(f"{path} has {len(content):,} bytes where {size:,} are expected; {_REMEDY}")
    rows = np.frombuffer(content, np.uint8).reshape(PER_FILE, 1 + _PIXELS)
    return rows[:, 1:], _checked_labels(path, rows[:, 0].tolist())


def _checked_labels(path: Path, labels: list[Any]) -> np.ndarray:
    for place, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < _CLASSES:
            found = f"{label:d}"[:20] if type(label) is int else f"a {type(label).__name__}"
            raise InputError(f"{path}: label {place + 1:,} must be from 0 to {_CLASSES - 1}, got {found}; {_REMEDY}")
    return np.array(labels, np.int32)
