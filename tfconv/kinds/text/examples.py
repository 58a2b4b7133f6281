"""The labelled texts that a run is scored on."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfconv.errors import InputError
from tfconv.kinds.source import DIALECT, read_options, unchanged_source
from tfconv.kinds.text.options import TrainText

if TYPE_CHECKING:
    import tensorflow as tf

    from tfconv.data import Columns

__all__ = ["labelled_texts", "own_texts"]


def labelled_texts(run: Any, data: str | None) -> "tuple[tf.data.Dataset, str]":
    """Read a run's own test split, or another data set; see `Kind.labelled`.

    Returns:
        Batches (ids, labels by the run's class numbers), and what to call them.

    Raises:
        InputError: the data cannot be read or have changed, or they have a class that the run does not know.
    """
    from tfconv.data import batches

    what, texts, names = own_texts(run) if data is None else _other_texts(run, data)
    if unknown := sorted({name for some in names for name in some} - set(run.class_names)):
        known = ", ".join(run.class_names)
        raise InputError(f"{what} has the class {unknown[0]!r}, which the run does not know: {known}")
    ids = run.preprocess.encode(texts)
    return batches(ids, run.task.label_array(names, run.class_names), batch_size=256), what


Texts = tuple[str, list[str], list[tuple[str, ...]]]  # what they are, the texts, the class names of each


def own_texts(run: Any) -> Texts:
    """The test split that the run was scored on, or what stood in for it: what it is, texts, class names of each."""
    from tfconv.data import text_source

    source = unchanged_source(run)
    # The same rows are held out as in training.
    columns, options = _options(run, "split", "test", "validation", "seed", "stream")
    found = text_source(source, columns, **options)
    split = next(name for name in ("test", "validation", "train") if name in found.examples)
    return f"{found.name}, {split} split", found.examples[split].texts, _names(found, split)


def _other_texts(run: Any, data: str) -> Texts:
    """Every labelled text of another data set; classes may be rare or missing in it."""
    from tfconv import data as sources
    from tfconv.data.source import table_format, text_source

    if table_format(Path(data)) is not None:
        columns, _ = _options(run)
        skipped: list[str] | None = [] if columns.skip else None
        rows = list(sources.read_rows(data, columns, skipped=skipped))
        if skipped:
            print(f"{len(skipped)} rows skipped, the first: {skipped[0]}", file=sys.stderr)
        if not rows:
            raise InputError(f"{data} holds no labelled text")
        names = [(label,) if isinstance(label, str) else label for _, _, label in rows]
        return Path(data).stem, [text for _, text, _ in rows], names
    found = text_source(data, dataclasses.replace(_options(run)[0], validation=0.0))
    splits = [name for name in found.examples if name != "unlabelled"]
    texts = [text for split in splits for text in found.examples[split].texts]
    return f"{found.name}, {' and '.join(splits)}", texts, [some for split in splits for some in _names(found, split)]


def _options(run: Any, *more: str) -> "tuple[Columns, dict[str, Any]]":
    """How the run's own data were read."""
    names = ("text", "label", "multi_label", "separator", "skip", *DIALECT, *more)
    columns, found = read_options(run, names, TrainText)
    return columns, {name: value for name, value in found.items() if name != "stream" or value}


def _names(found: Any, split: str) -> list[tuple[str, ...]]:
    return [found.task.names_of(label, found.class_names) for label in found.examples[split].labels]
