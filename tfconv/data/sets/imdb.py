"""The Large Movie Review Dataset v1.0 (Maas et al. 2011, "Learning Word Vectors for Sentiment Analysis").

25,000 training and 25,000 test reviews from IMDB, half of each positive, and 50,000 without a label. The module is not
called imdb so that `tfconv.data.imdb` is always the function.
"""

import functools
from pathlib import Path

import numpy as np

from tfconv.data.download import data_directory, download, unpack
from tfconv.data.splits import stratified_split
from tfconv.data.text.dataset import TextData, TextExamples
from tfconv.data.text.folders import read_bytes, text_files
from tfconv.errors import InputError, check_fraction

__all__ = ["imdb", "imdb_folder"]

URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
MD5 = "7c2ac02c03563afcf9b574c7e45c153a"
SIZE = 84_125_825
_FOLDER, _ARCHIVE = "aclImdb", "aclImdb_v1.tar.gz"
_CLASSES = ("neg", "pos")
_NEEDED = ("train/neg", "train/pos", "test/neg", "test/pos")


def imdb(
    directory: str | Path | None = None, *, validation: float = 0.1, seed: int = 0, unlabelled: bool = False
) -> TextData:
    """Read the IMDB reviews from the folder aclImdb, or from its archive beside it, or download them (84 MB).

    Args:
        directory: the folder that holds aclImdb or aclImdb_v1.tar.gz (or aclImdb itself); by default the variable
            TFCONV_DATA_DIR, else ~/.cache/tfconv.
        validation: the fraction of the 25,000 training reviews to hold out, as many of each class.
        seed: decides which reviews are held out.
        unlabelled: also read the 50,000 unlabelled reviews, as the split "unlabelled".

    Returns:
        Classes neg 0 and pos 1; splits train, validation (unless 0), test; the negative reviews of a split come first.

    Raises:
        InputError: neither folder nor archive is there and the download fails; an incomplete folder, a broken archive,
            a review that is empty or not UTF-8; `validation` is not in [0, 1).
    """
    check_fraction("validation", validation)
    folder = imdb_folder(directory)
    if unlabelled and not (folder / "train" / "unsup").is_dir():
        raise InputError(f"{folder} has no train/unsup, the unlabelled reviews; unpack the whole archive")
    train, test = (_labelled(folder / split) for split in ("train", "test"))
    kept, held = stratified_split(train.labels, validation, seed=seed)
    examples = {"train": train.take(kept)}
    if len(held):
        examples["validation"] = train.take(held)
    examples["test"] = test
    if unlabelled:
        texts = _texts(folder / "train" / "unsup")
        examples["unlabelled"] = TextExamples(texts, np.full(len(texts), -1, np.int32))
    return TextData("imdb", _CLASSES, examples)


def imdb_folder(directory: str | Path | None = None) -> Path:
    """Return the folder aclImdb; unpack or download it where it is missing; see `imdb`.

    Returns:
        The folder, with at least one review in each of its four labelled folders.

    Raises:
        InputError: as `imdb`.
    """
    directory = data_directory(directory)
    for folder in (directory / _FOLDER, directory):
        if folder.name == _FOLDER and folder.is_dir() or (folder / "train" / "pos").is_dir():
            _check(folder)
            return folder
    archive = directory / _ARCHIVE
    if not archive.is_file():
        try:
            download(URL, archive, md5=MD5, size=SIZE)
        except InputError as error:
            raise InputError(
                f"the IMDB reviews are not in {directory} and the download failed ({error}). Three ways to get them: "
                f"(1) run again with a connection to {URL}; (2) put {_ARCHIVE} from there into {directory}; "
                f"(3) name the folder that holds {_FOLDER} as directory= or in TFCONV_DATA_DIR"
            ) from error
    unpack(archive, directory / _FOLDER, functools.partial(_check, archive=archive))
    return directory / _FOLDER


def _check(folder: Path, archive: Path | None = None) -> None:
    for part in _NEEDED:
        if not (folder / part).is_dir() or not text_files(folder / part)[0]:
            if archive:
                raise InputError(f"{archive} holds no reviews under {_FOLDER}/{part}; remove it and run again")
            raise InputError(f"{folder}/{part} has no reviews; unpack {_ARCHIVE} anew in place of {folder}")


def _labelled(folder: Path) -> TextExamples:
    negative, positive = (_texts(folder / name) for name in _CLASSES)
    labels = np.repeat(np.array([0, 1], np.int32), [len(negative), len(positive)])
    return TextExamples(negative + positive, labels)


def _texts(folder: Path) -> list[str]:
    texts = []
    for name in text_files(folder)[0]:
        content = read_bytes(f"{folder}/{name}")
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            byte = f"byte 0x{content[error.start]:02x} at byte {error.start + 1}"
            raise InputError(f"{folder}/{name}: not UTF-8 ({byte}); unpack {_ARCHIVE} anew") from error
        if not text.strip():
            raise InputError(f"{folder}/{name}: empty text; unpack {_ARCHIVE} anew")
        texts.append(text)
    return texts
