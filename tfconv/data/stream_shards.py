"""The two passes that make batches of streamed texts possible: one counts words, one writes encoded texts."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from tfconv.data.kept import hold
from tfconv.data.passes import progress
from tfconv.data.preparation import Preparation
from tfconv.data.saved_text import read_settings
from tfconv.data.shard_files import ShardWriter, encoded
from tfconv.data.shards import check_shards
from tfconv.data.stream_examples import StreamReading
from tfconv.data.stream_scan import Scan
from tfconv.data.text import TextPreprocess, Tokenizer, Vocabulary, build_vocabulary
from tfconv.data.tokenising import token_chunks
from tfconv.errors import InputError

__all__ = ["counted_words", "encoded_shards"]

_DISTINCT = 1 << 19  # tokens held while counting: about 100 MB
_SHARD_TEXTS = 5_000
_MOST_SHARDS = 64  # files open at a time

T = TypeVar("T")


def counted_words(reading: StreamReading, found: Scan, preparation: Preparation, name: str) -> TextPreprocess:
    """Count the words of the training texts, or open what an earlier call counted.

    Args:
        reading: the files, and how they are read.
        found: what the first pass found.
        preparation: how texts become ids.
        name: what the data set is called, for messages.

    Raises:
        InputError: there is no word, or no room; or as the readers, where the files changed.
    """
    tokenizer = Tokenizer(preparation.level, punctuation=preparation.punctuation, lowercase=preparation.lowercase)
    size = preparation.vocabulary_size

    def count(folder: Path) -> None:
        with progress("counting words", name, found.sizes["train"], "texts") as done:
            texts = (text for _, text, _, split in reading.rows(found) if split == "train")
            chunks = token_chunks(_told(texts, done), tokenizer)
            distinct = max(_DISTINCT, 4 * (size or 0))
            vocabulary = build_vocabulary(chunks, size, min_count=preparation.min_count, distinct=distinct)
        TextPreprocess(tokenizer, vocabulary).save(folder)

    words = reading.kept("word counts", f"{tokenizer.config()} {size} {preparation.min_count}", count, _words)
    return TextPreprocess(
        tokenizer, Vocabulary(words), preparation.length, start=preparation.start, class_names=found.class_names,
        multi_label=reading.stream.multi_label,
    )  # fmt: skip


def encoded_shards(
    reading: StreamReading, found: Scan, preparation: Preparation, name: str, preprocess: TextPreprocess
) -> Path:
    """Write each split's texts into shards, or find what an earlier call wrote.

    The training texts are dealt among up to 64 files at random, the other splits are kept in order.

    Args: as `counted_words`; `preprocess` is what that returned, or that of an earlier run.

    Returns:
        A folder that holds a folder of shards for each split; no process removes it as long as this one lives.

    Raises:
        InputError: there is no room; or as the readers, where the files changed.
    """

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
        words = f"{preprocess.vocabulary.tokens}"
    settings = f"{preprocess.tokenizer.config()} {preprocess.length} {preprocess.start} {words}"
    return reading.kept("encoded texts", settings, write, shards)


def _words(folder: Path) -> list[str] | None:
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
