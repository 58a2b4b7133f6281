"""Labelled texts that are larger than memory: read from their files in passes, trained on from shards on disk."""

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tfconv.data.dialect import Dialect
from tfconv.data.examples import TextData
from tfconv.data.row_files import Paths, absolute, row_files, several
from tfconv.data.row_stream import RowStream
from tfconv.data.splits import check_fraction
from tfconv.data.stream_examples import StreamedTextExamples, StreamReading
from tfconv.data.stream_scan import Scan, opened
from tfconv.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

    from tfconv.data.text import TextPreprocess

__all__ = ["StreamedTextData", "text_stream"]


def text_stream(
    paths: Paths,
    *,
    text: str | None = None,
    label: str | None = None,
    split: str | None = None,
    test: str | Path | float | None = None,
    validation: float = 0.1,
    seed: int = 0,
    multi_label: bool = False,
    separator: str = "|",
    dialect: Dialect | None = None,
    skip: bool = False,
) -> "StreamedTextData":
    """Read labelled texts of any amount, from any number of files, with memory that does not grow with them.

    The first pass, here, checks every row and finds the classes. What it found is kept on disk, as are the vocabulary
    and the encoded texts that training makes later, in `streamed/` of the data folder (TFCONV_DATA_DIR, by default
    ~/.cache/tfconv); as long as names, sizes and times of the files stay, a later start with the same settings reads
    none of them again. Of files that changed, what was made before is removed, unless a process trains on it. The
    encoded texts take about 2 bytes a word.

    Args:
        paths: a file; a folder of files; a pattern such as `"reviews-*.jsonl"`; or several of these. All of one
            format: .csv, .tsv, .jsonl, .ndjson or .tfrecord, also packed (.jsonl.gz), or .parquet.
        text: the column of the texts, by default "text", or what a look at the first CSV file finds; in .tfrecord files
            the feature (of `tf.train.Example`), one string.
        label: the column of the labels, by default "label", or found; in .tfrecord files the feature, a string or a
            number.
        split: a column that says train, validation or test for each row.
        test: another file, folder or pattern to test on (what is in `paths` too is only tested on); or the share of
            the rows to hold out for testing.
        validation: the share of the training rows to hold out, unless the split column has validation rows.
        seed: decides which rows are held out: those for which a hash of (seed, file name, row number) is small. So
            the shares of the classes are kept only about, and more rows or files do not change where the others go.
            Where several files have one name, the folders from the one common to all files on are part of theirs.
        multi_label: a text may have any number of labels.
        separator: what stands between the labels of one text.
        dialect: how CSV files are written; by default a look at the first one says.
        skip: leave bad rows out and list them (the first thousand), in place of an error.

    Returns:
        Splits train, and validation and test where they have rows.

    Raises:
        InputError: nothing is there, or files of several formats; or as `tfconv.data.csv`.
    """
    check_fraction("validation", validation)
    files, test_files, share, source = row_files(paths), list[Path](), 0.0, [absolute(paths)]
    if isinstance(test, (str, os.PathLike)):
        test_files = row_files(test)
        source.append(absolute(test))
    elif test is not None:
        check_fraction("test", test)
        share = test
    stream = RowStream.of(
        files, test_files, text=text, label=label, split=split, multi_label=multi_label, separator=separator,
        dialect=dialect, validation=validation, test=share, seed=seed,
    )  # fmt: skip
    path = Path(several(paths)[0])
    name = path.name.partition(".")[0] if path.is_file() else path.resolve().name
    reading = StreamReading.of(stream, str(path), str(source), skip=skip)
    found = reading.kept("what was found in the rows", "", lambda folder: reading.scan().write(folder), opened)
    examples = {part: StreamedTextExamples(reading, found, part) for part in found.sizes}
    return StreamedTextData(name, found.class_names, multi_label, examples, found.skipped, reading=reading, found=found)


@dataclass(frozen=True, eq=False, repr=False)
class StreamedTextData(TextData):
    """A data set of texts that are not held in memory; what `text_stream` returns.

    It is used as `TextData` is. The first use of `preprocess` makes a pass over the files that counts words, unless
    `prepare` was given that of an earlier run; with bounded memory (`TokenCounts`): exactly, as long as there are no
    more than 524,288 different ones, or four times the vocabulary's size. The first use of batches makes one that
    writes the encoded texts into shards. Both are kept. Training batches then come from a shuffled window of 20,000
    texts over the stream of shards, each a random sample of the whole.

    Args:
        examples: the splits, as `StreamedTextExamples`.
        skipped: the first thousand lines on rows left out.
        reading: the files, and how they are read.
        found: what the first pass found.
    """

    examples: dict[str, StreamedTextExamples]  # type: ignore[assignment]
    reading: StreamReading = field(kw_only=True)
    found: Scan = field(kw_only=True)

    def summary(self) -> str:
        """As that of `TextData`; a last line where rows were skipped that are not listed."""
        more = self.found.more_skipped
        return super().summary() + (f"\nand {more:,} more were skipped that are not listed" if more else "")

    def fold(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not for streamed texts.

        Raises:
            InputError: always.
        """
        raise InputError(f"{self.name} is streamed: its splits are made once, by the seed; folds need it in memory")

    def resplit(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not for streamed texts: read them with another seed.

        Raises:
            InputError: always.
        """
        raise InputError(f"{self.name} is streamed: read it with another seed for other splits")

    def _batches(self, split: str, training: bool) -> "tf.data.Dataset":
        from tfconv.data.shards import read_shards

        settings = self.preparation
        if training and settings.balanced:
            raise InputError(
                f"{self.name} is streamed, and sampling needs all texts in memory: weigh the classes in place "
                "(--balanced weights, class_weight of fit)"
            )
        whole = not settings.bucket if settings.pad_to_length is None else settings.pad_to_length
        return read_shards(
            self._shards / split,
            batch_size=settings.batch_size,
            seed=settings.seed if training else None,
            bucket=settings.bucket and training,
            pad_to=settings.length if whole else None,
            drop_remainder=settings.drop_remainder and training,
        )

    @cached_property
    def preprocess(self) -> "TextPreprocess":
        """What turns raw strings into ids; the words are counted when it is first asked for."""
        from tfconv.data.stream_shards import counted_words

        earlier = self.preparation.earlier(self.class_names, self.multi_label)
        return earlier or counted_words(self.reading, self.found, self.preparation, self.name)

    @cached_property
    def _shards(self) -> Path:
        from tfconv.data.stream_shards import encoded_shards

        return encoded_shards(self.reading, self.found, self.preparation, self.name, self.preprocess)
