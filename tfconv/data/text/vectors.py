"""Pretrained word vectors in GloVe's text format (Pennington, Socher & Manning 2014) or word2vec's."""

import contextlib
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from tfconv.data.text.special_tokens import SPECIAL
from tfconv.errors import InputError

__all__ = ["WordVectors", "read_vectors"]

_SCALE = 0.1
_DIGITS = 12  # of a number in word2vec's first line


@dataclass(frozen=True, eq=False, repr=False)
class WordVectors:
    """Pretrained rows for an embedding layer.

    Args:
        matrix: float32 (len(vocabulary), width).
        found: how many of the vocabulary's words have a vector of the file.
        words: how many words the vocabulary has, without padding, start and out-of-vocabulary.
    """

    matrix: np.ndarray
    found: int
    words: int

    def __repr__(self) -> str:
        return f"WordVectors({self.matrix.shape[0]} x {self.matrix.shape[1]}, {self.summary()})"

    def summary(self) -> str:
        """`"loaded 28,314/30,000 words"`."""
        return f"loaded {self.found:,}/{self.words:,} words"


def read_vectors(
    path: str | Path, vocabulary: Sequence[str], width: int | None = None, *, seed: int = 0
) -> WordVectors:
    """Read pretrained vectors for the words of a vocabulary.

    Of a word that is there twice, the first counts. Every line's width is checked; numbers are parsed only for words of
    the vocabulary.

    Args:
        path: one word a line, then its numbers, separated by single spaces, in UTF-8; plain, .gz, or .zip (of several
            files in it the one whose name contains `<width>d`). A first line "<words> <width>", as word2vec writes, is
            read as such. Words may contain spaces (GloVe's 840B file has some).
        vocabulary: the words in the order of their ids; id 0 is padding.
        width: the embedding dimension; by default what the first line says.
        seed: decides the rows of words that are not in the file: normal, mean 0, standard deviation 0.1. The row of
            padding is zero.

    Raises:
        InputError: the file cannot be read, is broken, empty, not UTF-8, or of another width: with the line number.
        ValueError: `vocabulary` does not begin with the padding token "".
    """
    if not len(vocabulary) or vocabulary[0] != "":
        raise ValueError(f"vocabulary must begin with the padding token ''; got {list(vocabulary[:1])!r}")
    path = Path(path)
    ids = {word.encode(): index for index, word in enumerate(vocabulary) if word not in SPECIAL}
    words = len(ids)
    try:
        with _opened(path, width) as file:
            width, vectors = _read(path, file, ids, width)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read ({reason}); check the path, or get the file anew") from error
    matrix = np.random.default_rng(seed).normal(0, _SCALE, (len(vocabulary), width)).astype(np.float32)
    matrix[0] = 0
    for index, vector in vectors.items():
        matrix[index] = vector
    return WordVectors(matrix, len(vectors), words)


def _read(path: Path, file: IO[bytes], ids: dict[bytes, int], width: int | None) -> tuple[int, dict[int, np.ndarray]]:
    vectors: dict[int, np.ndarray] = {}
    words, promised = 0, None
    for number, line in enumerate(file, 1):
        line = line.rstrip(b" \r\n")
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
            fields = line.split(b" ")
            if len(fields) == 2 and width != 1 and fields[0].isdigit() and fields[1].isdigit():
                if max(map(len, fields)) > _DIGITS or not int(fields[1]):
                    says = " ".join(f"{field.decode():.20}" for field in fields)
                    raise InputError(f"{path} line 1: no counts of words and numbers ({says}); get the file anew")
                promised, file_width = int(fields[0]), int(fields[1])
                if width not in (None, file_width):
                    raise InputError(
                        f"{path} line 1: embedding dimension {file_width}, and width={width} was given: give that one"
                    )
                width = file_width
                continue
            width = width or len(fields) - 1
            if width < 1:
                _check_utf8(path, number, line)
                raise InputError(f"{path} line 1: no word and numbers; give word vectors in GloVe's text format")
        if not line:
            continue
        words += 1
        spaces = line.count(b" ")
        if spaces == width:
            word = line[: line.index(b" ")]
        else:
            word = _word_with_spaces(path, number, line, spaces, width or 0)
        if not word.isascii():
            _check_utf8(path, number, word)
        index = ids.get(word)
        if index is not None and index not in vectors:
            vectors[index] = _numbers(path, number, line[len(word) + 1 :])
    if not words or width is None:
        raise InputError(f"{path} is empty; give word vectors in GloVe's text format")
    if promised is not None and words != promised:
        raise InputError(f"{path} has {words:,} words where line 1 says {promised:,}; get the file anew")
    return width, vectors


def _word_with_spaces(path: Path, number: int, line: bytes, spaces: int, width: int) -> bytes:
    """The word of a line that has not exactly `width` spaces, where its surplus fields are no numbers."""
    if spaces > width:
        word = line.rsplit(b" ", width)[0]
        if not all(_is_number(field) for field in word.split(b" ")[1:]):
            return word
    _check_utf8(path, number, line)
    raise InputError(f"{path} line {number}: {spaces} numbers where the width is {width}; mend it or give that width")


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _check_utf8(path: Path, number: int, text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} line {number}: not UTF-8 (byte 0x{text[error.start]:02x}); give the text format, not a binary one"
        ) from error


def _numbers(path: Path, number: int, fields: bytes) -> np.ndarray:
    try:
        values = [float(field) for field in fields.split(b" ")]
    except ValueError as error:
        raise InputError(f"{path} line {number}: {error}; mend the line or get the file anew") from error
    with np.errstate(over="ignore"):
        vector = np.array(values, np.float32)
    if not np.isfinite(vector).all():
        raise InputError(f"{path} line {number}: a number is not finite in float32; mend the line or get the file anew")
    return vector


@contextlib.contextmanager
def _opened(path: Path, width: int | None) -> Iterator[IO[bytes]]:
    ending = path.suffix.lower()
    if ending == ".gz":
        with gzip.open(path, "rb") as unzipped:
            yield unzipped  # type: ignore[misc]
    elif ending == ".zip":
        with contextlib.ExitStack() as stack:
            try:
                archive = stack.enter_context(zipfile.ZipFile(path))
                member = stack.enter_context(archive.open(_member(path, archive.namelist(), width)))
            except RuntimeError as error:  # encrypted, or compressed by a method that Python does not know
                raise InputError(f"{path} cannot be read ({error}); unpack it and give the file in it") from error
            yield member
    else:
        with open(path, "rb") as file:
            yield file


def _member(path: Path, names: list[str], width: int | None) -> str:
    files = [name for name in names if not name.endswith("/") and not name.startswith("__MACOSX")]
    fitting = [name for name in files if width is not None and f".{width}d" in name] if len(files) > 1 else files
    if len(fitting) != 1:
        raise InputError(f"{path} holds {len(files)} files ({', '.join(files[:8])}); choose by width= or unpack one")
    return fitting[0]
