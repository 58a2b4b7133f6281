"""Labelled texts from folders of text files, one folder a class."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tfconv.data.assembly import assemble
from tfconv.data.rows.columns import Columns
from tfconv.data.rows.dialect import Dialect
from tfconv.data.rows.files import encoding_of
from tfconv.data.rows.labelled import LabelledRow, split_name, text_problem
from tfconv.data.rows.records import memory_named, reject
from tfconv.data.text.dataset import TextData
from tfconv.errors import InputError

__all__ = ["class_folders", "read_bytes", "shown", "text_files", "text_folder"]

NAME_OF_NO_CLASS = "the class's name is not UTF-8 or holds control characters", "rename the folder"


def text_folder(
    directory: str | Path,
    *,
    validation: float = 0.1,
    test: float = 0.0,
    seed: int = 0,
    encoding: str | None = None,
    skip: bool = False,
) -> TextData:
    """Read labelled texts from a folder with one folder a class.

    Files are `<class>/*.txt`, or `train/<class>/*.txt` beside `test/...` and, if there is one,
    `validation/...`. Split folders may have other usual names: training, Train_txt, val, Valid, dev, testing.

    Args:
        directory: the folder of the class folders, or of the split folders. Its name names the data set.
        validation: the fraction of the training texts to hold out, unless there is a validation folder.
        test: the fraction to hold out for testing, unless there is a test folder.
        seed: decides which texts are held out; the split keeps every class's share.
        encoding: of the files, such as "latin-1"; by default UTF-8, or what a byte order mark says (UTF-16).
        skip: leave bad files out, one line each in `TextData.skipped`, in place of an error.

    Returns:
        Classes are the folder names (numbers sorted by value); texts are in the order of the file names. Files of
        another ending and folders within class folders are not read, and noted in `TextData.skipped`; names that
        begin with a dot are ignored.

    Raises:
        InputError: no such folder, no class folders, a class without texts; or a bad file (empty, not UTF-8), a class
            of a single text or one that is not in train, and `skip` is false.
    """
    directory = Path(directory)
    notes: list[str] = []
    skipped = notes if skip else None
    rows: list[LabelledRow] = []
    encoding = Dialect(encoding=encoding).encoding
    for folder, split in class_folders(directory, "csv, jsonl or parquet", notes):
        if folder.name.isprintable():
            rows += _class_rows(folder, split, encoding, notes, skipped)
        else:
            reject(shown(folder), *NAME_OF_NO_CLASS, skipped)
    if not rows and not notes:
        raise InputError(f"{directory} has no folders of .txt files; put each class's texts in a folder named for it")
    columns = Columns(validation=validation, test=test, seed=seed, skip=skip)
    done = assemble(rows, columns, where=str(directory), skipped=notes, one_kind=False)
    return done.text_data(directory.resolve().name)


def class_folders(directory: Path, readers: str, notes: list[str]) -> list[tuple[Path, str | None]]:
    """Find the folders that are classes, each with its split; None where folders do not say it.

    Args:
        directory: the folder of the class folders, or of the split folders.
        readers: the functions that read a file, for the message where `directory` is one.
        notes: takes one line for each split folder without class folders.

    Raises:
        InputError: no such folder; folders beside `train` that are no splits, or split folders without `train`.
    """
    if not directory.is_dir():
        if directory.exists():
            raise InputError(f"{directory} is a file, not a folder; read it with {readers}")
        raise InputError(f"{directory}: no such folder; check the path")
    top = _folders(directory)
    splits = {folder: split_name(folder.name) for folder in top}
    if "train" not in splits.values():
        longer = {folder: _split_in(folder.name) for folder in top if any(_folders(folder))}
        if not longer or len(longer) < len(top) or None in longer.values():  # "test tube" may be a class
            return [(folder, None) for folder in top]
        names, count = ", ".join(shown(folder.name) for folder in top), Counter(longer.values())
        if "train" not in count or max(count.values()) > 1:
            raise InputError(
                f"{directory} has the folders {names}, which seem to be splits and not classes: name them train, "
                "validation and test, of which train must be there"
            )
        splits = longer
    strangers = [folder.name for folder, split in splits.items() if split is None]
    if strangers:
        raise InputError(
            f"{directory} has a train folder beside {strangers[0]!r}, which is no split; name the split folders "
            "train, validation, test, or move the others away"
        )
    found = []
    for folder, split in splits.items():
        inner = _folders(folder)
        if not inner:
            notes.append(f"{folder}: no class folders in it, so it is not read")
        found += [(class_folder, split) for class_folder in inner]
    return found


def shown(path: str | Path) -> str:
    """A path for messages, also where its bytes are not UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _split_in(name: str) -> str | None:
    """The split that a word in a folder's name means, as in `Train_png`."""
    found = {split_name(word) for word in re.split(r"[^a-z]+", name.lower())} - {None}
    return found.pop() if len(found) == 1 else None


def text_files(folder: Path) -> tuple[list[str], list[str]]:
    """The names of a folder's .txt files, sorted, and of everything else but hidden files."""
    with os.scandir(folder) as entries:
        visible = [(entry.name, entry.is_file()) for entry in entries if not entry.name.startswith(".")]
    texts = sorted(name for name, is_file in visible if is_file and name.endswith(".txt"))
    others = sorted(name for name, is_file in visible if not (is_file and name.endswith(".txt")))
    return texts, others


def read_bytes(path: str) -> bytes:
    """Read a small file in half the time of `Path.read_bytes`, which matters for 100,000 files."""
    handle = os.open(path, os.O_RDONLY)
    try:
        content = os.read(handle, 1 << 16)
        if len(content) < 1 << 16:
            return content
        parts = [content]
        while parts[-1]:
            parts.append(os.read(handle, 1 << 20))
        return b"".join(parts)
    finally:
        os.close(handle)


def _folders(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"{directory}: cannot be read ({error.strerror}); check its permissions") from error


def _class_rows(
    folder: Path, split: str | None, encoding: str | None, notes: list[str], skipped: list[str] | None
) -> Iterator[LabelledRow]:
    names, others = text_files(folder)
    notes += [f"{folder / other}: not a .txt file" for other in others]
    if not names:
        raise InputError(f"{folder} has no .txt files; put the texts of that class there, or remove the folder")
    for number, name in enumerate(names, 1):
        where = f"{folder}/{name}"
        with memory_named(where):
            content = read_bytes(where)
        known = encoding_of(content[:4]) or encoding or "utf-8"
        try:
            text = content.decode(known).removeprefix("\ufeff")
        except UnicodeError as error:
            place = f" (byte 0x{content[error.start]:02x} at byte {error.start + 1})" if known == "utf-8" else ""  # type: ignore[attr-defined]
            problem = f"not {known.upper()}{place}"
            reject(where, problem, "save it as UTF-8, or name its --encoding, such as latin-1", skipped)
            continue
        wrong = text_problem(text)
        if wrong:
            reject(where, wrong, "mend it or remove it", skipped)
            continue
        yield LabelledRow(number, where, {"text": text}, (folder.name,), split)
