"""Stream labelled texts that are larger than memory from their files, and train on them from shards on disk."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from tfconv.data.cache import cached, hold
from tfconv.data.rows.columns import DEFAULT_COLUMNS, Columns
from tfconv.data.rows.files import Paths, absolute, fingerprint, row_files, several
from tfconv.data.text.dataset import Preparation, TextData, TextExamples
from tfconv.data.text.scan import RowStream, Scan, checked_rows, opened, scan
from tfconv.errors import InputError, check_fraction
from tfconv.progress import progress
from tfconv.tasks import Task

if TYPE_CHECKING:
    import tensorflow as tf

    from tfconv.data.text.preprocess import TextPreprocess

__all__ = [
    "StreamReading",
    "StreamedTextData",
    "StreamedTextExamples",
    "counted_words",
    "encoded_shards",
    "text_stream",
]

_LAYOUT = 2  # of what is cached; to be raised when the same files and settings would give something else
_FOLDER = "streamed"
_LABELS_AT_ONCE = 1 << 14  # rows whose class names are held
_DISTINCT = 1 << 19  # tokens held while counting: about 100 MB
_SHARD_TEXTS = 5_000
_MOST_SHARDS = 64  # files open at a time

T = TypeVar("T")


@dataclass(frozen=True)
class StreamReading:
    """The files of a stream, how to read them, and the cache of what was made of them.

    Args:
        stream: the files, and how to read them.
        what: what they are called, for messages.
        source: how they were named: the last state of each source is cached. Which files a folder or a pattern stands
            for is a part of the state.
        state: the files' `fingerprint`, names and splits when they were first read: all passes see the same files.
    """

    stream: RowStream
    what: str
    source: str
    state: str

    @classmethod
    def of(cls, stream: RowStream, what: str, source: str) -> "StreamReading":
        """Read the files as they are now."""
        return cls(stream, what, source, _state(stream))

    def scan(self) -> Scan:
        """Check all rows."""
        return scan(self.stream, self.what)

    def rows(self, found: Scan) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
        """(where, text, class names, split) of the rows that passed the scan."""
        for row, names, part in checked_rows(self.stream, found):
            yield row.where, row.values["text"], names, part

    def cached(self, what: str, settings: str, make: Callable[[Path], None], opened: Callable[[Path], T | None]) -> T:
        """Return what a pass over the files makes, from the cache where it is there.

        Raises:
            InputError: the files are not as they were when first read, or as `make`.
        """

        def unchanged() -> None:
            if _state(self.stream) != self.state:
                raise InputError(f"{self.what}: files changed since they were first read; start again")

        def checked(folder: Path) -> None:
            unchanged()
            make(folder)
            unchanged()

        settings = f"{_LAYOUT} {self.source} {replace(self.stream, files=())} {settings}"
        return cached(_FOLDER, what, settings, self.state, make=checked, opened=opened)


def _state(stream: RowStream) -> str:
    try:
        places = [f"{file.name}\0{file.split}" for file in stream.files]
        return "\n".join([fingerprint([file.path for file in stream.files]), *places])
    except OSError as error:
        return f"{error}"  # the reader says it better


@dataclass(frozen=True, eq=False, repr=False)
class StreamedTextExamples:
    """One split of streamed texts; texts and labels are read from the files when they are used."""

    reading: StreamReading
    found: Scan
    split: str

    def __len__(self) -> int:
        return self.found.sizes[self.split]

    def __repr__(self) -> str:
        return f"StreamedTextExamples({len(self):,} texts)"

    @property
    def texts(self) -> "_Texts":
        """The texts in order, read from the files whenever they are iterated."""
        return _Texts(self)

    @property
    def labels(self) -> np.ndarray:
        """The labels as in `TextExamples`: one pass over the files, 4 bytes a text in memory."""
        rows = (names for _, names in self._rows())
        parts = iter(lambda: list(islice(rows, _LABELS_AT_ONCE)), [])
        return np.concatenate([self.task.label_array(part, self.found.class_names) for part in parts])

    @property
    def task(self) -> Task:
        """One class a text, or any number of labels."""
        return self.reading.stream.columns.task

    def take(self, indices: np.ndarray) -> TextExamples:
        """The examples at `indices`, in that order, in memory."""
        wanted = {int(index) for index in indices}
        found = {number: row for number, row in enumerate(self._rows()) if number in wanted}
        rows = [found[int(index)] for index in indices]
        labels = self.task.label_array([names for _, names in rows], self.found.class_names)
        return TextExamples([text for text, _ in rows], labels)

    def join(self, other: Any) -> NoReturn:
        """Refuse to join: read the files together.

        Raises:
            InputError: always.
        """
        raise InputError("streamed texts cannot be joined: read their files together, or take examples of both")

    def contents(self) -> Iterator[bytes]:
        """Each text as bytes, by which equal ones are told."""
        return (text.encode("utf-8", "surrogatepass") for text in self.texts)

    def excerpt(self, number: int) -> str:
        """The beginning of a text, in quotes, for messages."""
        return self.take(np.array([number])).excerpt(0)

    def class_counts(self, classes: int) -> np.ndarray:
        """How many texts bear each label: int64 (classes,)."""
        return np.array(self.found.counts[self.split], np.int64)

    def _rows(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        return ((text, names) for _, text, names, part in self.reading.rows(self.found) if part == self.split)


class _Texts:
    def __init__(self, examples: StreamedTextExamples) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __iter__(self) -> Iterator[str]:
        return (text for text, _ in self._examples._rows())


def text_stream(paths: Paths, columns: Columns = DEFAULT_COLUMNS) -> "StreamedTextData":
    """Stream labelled texts from any number of files, with memory that does not grow with them.

    The first pass, here, checks every row and finds the classes. What it found is cached on disk, as are the vocabulary
    and the encoded texts that training makes later, in `streamed/` of the data folder (TFCONV_DATA_DIR, by default
    ~/.cache/tfconv); as long as names, sizes and times of the files stay, a later start with the same settings reads
    none of them again. Of files that changed, what was made before is removed, unless a process trains on it. The
    encoded texts take about 2 bytes a word.

    Args:
        paths: a file; a folder of files; a pattern such as `"reviews-*.jsonl"`; or several of these. All of one
            format: .csv, .tsv, .jsonl, .ndjson or .tfrecord, also packed (.jsonl.gz), or .parquet.
        columns: the columns, and which rows are held out; in .tfrecord files the features of `tf.train.Example`, the
            text one string, the label a string or a number. `test` may also be a folder or pattern; what is in `paths`
            too is only tested on. Rows are held out by a hash of (seed, file name, row number): the shares of the
            classes are kept approximately, and more rows or files do not change the splits of the others. Where several
            files have one name, the folders below the one common to all files are part of it.

    Returns:
        Splits train, and validation and test where they have rows. Of rows that are skipped the first thousand are
        listed.

    Raises:
        InputError: nothing is there, or files of several formats; or as `tfconv.data.csv`.
    """
    check_fraction("validation", columns.validation_fraction)
    check_fraction("test", columns.test_fraction)
    files, test_files, source = row_files(paths), list[Path](), [absolute(paths)]
    if columns.test_file is not None:
        test_files = row_files(columns.test_file)
        source.append(absolute(columns.test_file))
    stream = RowStream.of(files, test_files, columns)
    path = Path(several(paths)[0])
    name = path.name.partition(".")[0] if path.is_file() else path.resolve().name
    reading = StreamReading.of(stream, str(path), str(source))
    found = reading.cached("what was found in the rows", "", lambda folder: reading.scan().write(folder), opened)
    examples = {part: StreamedTextExamples(reading, found, part) for part in found.sizes}
    return StreamedTextData(
        name, found.class_names, examples, found.skipped, task=columns.task, reading=reading, found=found
    )


@dataclass(frozen=True, eq=False, repr=False)
class StreamedTextData(TextData):
    """A data set of texts that are streamed from files, as `text_stream` returns it.

    It is used as `TextData` is. The first use of `preprocess` makes a pass over the files that counts words, unless
    `prepare` was given that of an earlier run; with bounded memory (`TokenCounts`): exactly, as long as there are no
    more than 524,288 different ones, or four times the vocabulary's size. The first use of batches makes one that
    writes the encoded texts into shards. Both are cached. Training batches then come from a shuffled window of 20,000
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
        """Return the table of `TextData`, and how many more rows were skipped than are listed."""
        more = self.found.more_skipped
        return super().summary() + (f"\nand {more:,} more were skipped that are not listed" if more else "")

    def fold(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse folds: streamed texts have none.

        Raises:
            InputError: always.
        """
        raise InputError(f"{self.name} is streamed: its splits are made once, by the seed; folds need it in memory")

    def resplit(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse another split: read the texts with another seed.

        Raises:
            InputError: always.
        """
        raise InputError(f"{self.name} is streamed: read it with another seed for other splits")

    def only(self, examples: Mapping[str, Any]) -> TextData:
        """As a data set in memory, which encodes these texts and no others."""
        return TextData(self.name, self.class_names, dict(examples), preparation=self.preparation, task=self.task)

    def _batches(self, split: str, training: bool) -> "tf.data.Dataset":
        from tfconv.data.text.shards import read_shards

        settings = self.preparation
        if training and settings.balanced:
            raise InputError(
                f"{self.name} is streamed, and sampling needs all texts in memory: weigh the classes in place "
                "(--balanced weights, class_weight of fit)"
            )
        return read_shards(
            self._shards / split,
            batch_size=settings.batch_size,
            seed=settings.seed if training else None,
            bucket=settings.bucket and training,
            pad_to=settings.padded_width,
            drop_remainder=settings.drop_remainder and training,
        )

    @cached_property
    def preprocess(self) -> "TextPreprocess":
        """The preprocessing from strings to ids; the words are counted on first use."""
        earlier = self.preparation.earlier(self.class_names, self.task)
        return earlier or counted_words(self.reading, self.found, self.preparation, self.name)

    @cached_property
    def _shards(self) -> Path:
        return encoded_shards(self.reading, self.found, self.preparation, self.name, self.preprocess)


def counted_words(reading: StreamReading, found: Scan, preparation: Preparation, name: str) -> "TextPreprocess":
    """Count the words of the training texts, or open what an earlier call counted.

    Args:
        reading: the files, and how they are read.
        found: what the first pass found.
        preparation: how texts become ids.
        name: what the data set is called, for messages.

    Raises:
        InputError: there is no word, or no room; or as the readers, where the files changed.
    """
    from tfconv.data.text.preprocess import TextPreprocess
    from tfconv.data.text.tokenizer import Tokenizer, token_chunks
    from tfconv.data.text.vocabulary import Vocabulary, build_vocabulary

    tokenizer = Tokenizer(preparation.level, punctuation=preparation.punctuation, lowercase=preparation.lowercase)
    size = preparation.vocabulary_size

    def count(folder: Path) -> None:
        with progress("counting words of", name, found.sizes["train"], "texts") as done:
            texts = (text for _, text, _, split in reading.rows(found) if split == "train")
            chunks = token_chunks(_told(texts, done), tokenizer)
            distinct = max(_DISTINCT, 4 * (size or 0))
            vocabulary = build_vocabulary(chunks, size, min_count=preparation.min_count, distinct=distinct)
        TextPreprocess(tokenizer, vocabulary).save(folder)

    words = reading.cached("word counts", f"{tokenizer.config()} {size} {preparation.min_count}", count, _words)
    return TextPreprocess(
        tokenizer, Vocabulary(words), preparation.length, start=preparation.start, class_names=found.class_names,
        task=reading.stream.columns.task,
    )  # fmt: skip


def encoded_shards(
    reading: StreamReading, found: Scan, preparation: Preparation, name: str, preprocess: "TextPreprocess"
) -> Path:
    """Write each split's texts into shards, or find what an earlier call wrote.

    The training texts are dealt among up to 64 files at random, the other splits stay in order.

    Args: as `counted_words`; `preprocess` is what that returned, or that of an earlier run.

    Returns:
        A folder that holds a folder of shards for each split; no process removes it as long as this one lives.

    Raises:
        InputError: there is no room; or as the readers, where the files changed.
    """
    from tfconv.data.text.shards import ShardWriter, check_shards, encoded

    def write(folder: Path) -> None:
        spread = min(_MOST_SHARDS, max(1, found.sizes["train"] // _SHARD_TEXTS))
        writers = {}
        for split in found.sizes:
            (folder / split).mkdir()
            writers[split] = ShardWriter(folder / split, preprocess, spread=spread if split == "train" else 1)
        with progress("encoding", name, sum(found.sizes.values()), "texts") as done:
            for ids, labels, split in encoded(_told(reading.rows(found), done), preprocess):
                writers[split].write(ids, labels)
        for writer in writers.values():
            writer.close()

    def shards(folder: Path) -> Path | None:
        hold(folder)  # every epoch opens the files anew
        try:
            for split in found.sizes:
                check_shards(folder / split)
        except InputError:
            return None
        return folder

    if preparation.preprocess is None:  # the vocabulary follows from these and the files
        words = f"{preparation.vocabulary_size} {preparation.min_count}"
    else:
        vocabulary, ngrams = preprocess.vocabulary, preprocess.ngrams
        words = f"{None if vocabulary is None else vocabulary.tokens}"
        if ngrams is not None:
            words += f" {ngrams.config()} {None if ngrams.listed is None else ngrams.listed.tolist()}"
    settings = f"{preprocess.tokenizer.config()} {preprocess.length} {preprocess.start} {words}"
    return reading.cached("encoded texts", settings, write, shards)


def _words(folder: Path) -> list[str] | None:
    from tfconv.data.text.preprocess import read_settings

    try:
        return read_settings(folder)[0]
    except InputError:
        return None


def _told(items: Iterable[T], done: Callable[[int], None]) -> Iterator[T]:
    """The items, telling `done` now and then how many more there were."""
    count = 0
    for item in items:
        yield item
        count += 1
        if count == 512:
            done(count)
            count = 0
