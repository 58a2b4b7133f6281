"""From raw text to integer ids: tokenizer and vocabulary together.

All is TensorFlow operations: the very graph that made the training batches goes into the exported model.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfconv.data.preprocess import are_strings, pop_task, read_json, unreadable, write_kind
from tfconv.data.text.ngrams import NGrams
from tfconv.data.text.special_tokens import PAD, SPECIAL, START
from tfconv.data.text.tokenizer import TokenChunk, Tokenizer, mapped_chunks, token_chunks
from tfconv.data.text.vocabulary import Vocabulary
from tfconv.errors import InputError, check_whole
from tfconv.files import atomic_path, write_json
from tfconv.tasks import CLASSIFICATION, Task

__all__ = ["TextPreprocess", "read_settings", "write_settings"]


_NGRAMS = "ngrams.npy"


def write_settings(directory: str | Path, tokens: Sequence[str], settings: dict[str, Any]) -> None:
    """Write `vocabulary.json` (a list, so that a line feed can be a token) and `text.json` into `directory`.

    Args:
        directory: a folder; it is made if need be.
        tokens: all tokens in the order of their ids; the special ones are not written.
        settings: what else makes a `TextPreprocess`.
    """
    write_json(Path(directory) / "vocabulary.json", list(tokens[len(SPECIAL) :]))
    write_json(Path(directory) / "text.json", settings | {"vocabulary_size": len(tokens)})


def read_settings(directory: str | Path) -> tuple[list[str], dict[str, Any]]:
    """The tokens, without the special ones, and the settings that `write_settings` wrote.

    Raises:
        InputError: a file is missing, cut short or not as it was written.
    """
    settings, tokens = read_json(directory, ("text.json", "vocabulary.json"), "text")
    problem = _problem(settings, tokens)
    if problem:
        raise unreadable(directory, "text", problem)
    settings.pop("vocabulary_size", None)
    try:
        return tokens, settings | {"task": pop_task(settings)}
    except InputError as error:
        raise unreadable(directory, "text", error) from None


def _problem(settings: Any, tokens: Any) -> str | None:
    if not isinstance(settings, dict) or not isinstance(settings.get("tokenizer"), dict) or "length" not in settings:
        return "text.json lacks tokenizer or length"
    try:
        check_whole("text.json: length", settings["length"], optional=True)
    except InputError as error:
        return str(error)
    flags = [settings["tokenizer"].get(name, False) for name in ("punctuation", "lowercase")]
    flags += [settings.get(name, False) for name in ("start",)]
    if not all(isinstance(flag, bool) for flag in flags):
        return "text.json: punctuation, lowercase and start must be true or false"
    if not are_strings(settings.get("class_names", [])):
        return "text.json: class_names is no list of strings"
    if not isinstance(settings.get("ngrams", {}), dict):
        return "text.json: ngrams holds no settings"
    if not are_strings(tokens) or not (tokens or settings.get("ngrams")):
        return "vocabulary.json is no list of strings, or an empty one"
    size = settings.get("vocabulary_size", len(tokens) + len(SPECIAL))
    if size != len(tokens) + len(SPECIAL):
        return (
            f"vocabulary.json has {len(tokens)} tokens and text.json says {size} with the {len(SPECIAL)} special ones"
        )
    return None


class TextPreprocess(tf.Module):
    """Raw text to padded ids, in one graph for training and for serving.

    The ids of a text's tokens come first, in order. With `ngrams` those of its n-grams follow, each higher by the
    vocabulary's size less one, as in fastText's one table of words and hashed n-grams.

    Args:
        tokenizer: cuts the text.
        vocabulary: gives the ids; `None`: tokens have none, only n-grams.
        length: longest text in ids, the start token included; the end of a longer one is cut off. `None`: no limit.
        start: begin each text with the start id.
        class_names: names of the classes in the order of the model's outputs, for who reads its answers.
        task: one class a text, or any number of labels.
        ngrams: found in the whole text, whatever `length` says; `None`: none.

    Raises:
        ValueError: neither a vocabulary nor n-grams.
    """

    kind = "text"

    def __init__(
        self,
        tokenizer: Tokenizer,
        vocabulary: Vocabulary | None,
        length: int | None = None,
        *,
        start: bool = True,
        class_names: Sequence[str] = (),
        task: Task = CLASSIFICATION,
        ngrams: NGrams | None = None,
    ):
        super().__init__(name="text_preprocess")
        if vocabulary is None and ngrams is None:
            raise ValueError("vocabulary and ngrams are both None: give one of them")
        check_whole("length", length, optional=True)
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self.length = length
        self.start = start
        self.class_names = tuple(class_names)
        self.task = task
        self.ngrams = ngrams

    @property
    def size(self) -> int:
        """Number of ids, that of padding included."""
        return self.first_ngram + (0 if self.ngrams is None else self.ngrams.size - 1)

    @property
    def first_ngram(self) -> int:
        """The id that the first n-gram has; lower ones are those of tokens."""
        return 1 if self.vocabulary is None else len(self.vocabulary)

    def __call__(self, texts: tf.Tensor, *, pad_to: int | None = None) -> tf.Tensor:
        """Strings (n,) to int32 ids (n, width), padded with 0 at the end.

        Args:
            texts: strings of shape (n,).
            pad_to: the width; default: the longest text of the batch, at least 1.
        """
        ids = self._ragged(texts)
        if pad_to is not None:
            return ids.to_tensor(PAD, shape=(None, pad_to))
        ids = ids.to_tensor(PAD)
        return tf.pad(ids, [[0, 0], [0, tf.maximum(1 - tf.shape(ids)[1], 0)]])

    def _ragged(self, texts: tf.Tensor) -> tf.RaggedTensor:
        parts = list[tf.RaggedTensor]()
        if self.vocabulary is not None:
            ids = self.vocabulary.lookup(self.tokenizer(texts))
            if self.start:
                ids = tf.concat([tf.fill([ids.nrows(), 1], START), ids], axis=1)
            parts.append(ids if self.length is None else ids[:, : self.length])
        if self.ngrams is not None:
            parts.append(self.ngrams(texts) + (self.first_ngram - 1))
        return parts[0] if len(parts) == 1 else tf.concat(parts, axis=1)

    def encode(self, texts: Iterable[str]) -> tf.RaggedTensor:
        """The ids of many texts, without padding: ragged int32 (n, None); equal to `__call__`."""
        found = list(self.encoded(texts))
        return tf.concat(found, axis=0) if found else tf.RaggedTensor.from_row_lengths(tf.zeros(0, tf.int32), [])

    def encoded(self, texts: Iterable[str]) -> Iterator[tf.RaggedTensor]:
        """The ids of any number of texts, some hundred at a time, found on all cores; only these are in memory."""
        if self.ngrams is None:
            for chunk in token_chunks(texts, self.tokenizer):
                yield self.encode_chunks([chunk])
            return

        def parts(some: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            ids = self._ragged(some)
            return ids.flat_values, ids.row_lengths()

        for values, lengths in mapped_chunks(texts, parts, size=512):
            yield tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)

    def encode_chunks(self, chunks: Iterable[TokenChunk]) -> tf.RaggedTensor:
        """The ids of the tokens of many texts from `token_chunks`, without padding: ragged int32 (n, None).

        Raises:
            ValueError: tokens have no ids.
        """
        if self.vocabulary is None:
            raise ValueError("there is no vocabulary: only n-grams have ids")
        values, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        for chunk in chunks:
            ids = self.vocabulary.lookup(tf.constant(chunk.unique, tf.string)).numpy()[chunk.places]
            if self.start:
                ids = np.insert(ids, np.cumsum(chunk.lengths) - chunk.lengths, START)
            whole = chunk.lengths + int(self.start)
            kept = whole if self.length is None else np.minimum(whole, self.length)
            place = np.arange(len(ids)) - np.repeat(np.cumsum(whole) - whole, whole)
            values.append(ids[place < np.repeat(kept, whole)])
            lengths.append(kept)
        return tf.RaggedTensor.from_row_lengths(np.concatenate(values), np.concatenate(lengths))

    def tokens(self, text: str) -> list[str]:
        """The tokens of one text, as the model sees them: cut at `length`, without the start token."""
        limit = None if self.length is None else self.length - int(self.start)
        return [token.decode("utf-8") for token in self.tokenizer(tf.constant([text]))[0].numpy()][:limit]

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """Ids of one text's tokens back to text; those of n-grams are left out."""
        if self.vocabulary is None:
            return ""
        ids = [i for i in ids if i < self.first_ngram]
        return self.vocabulary.decode(ids, " " if self.tokenizer.level == "word" else "")

    def save(self, directory: str | Path) -> None:
        """Write `text.json`, `vocabulary.json`, `ngrams.npy` where n-grams are listed, and `kind.json`."""
        settings: dict[str, Any] = {"tokenizer": self.tokenizer.config(), "length": self.length, "start": self.start}
        settings |= {"class_names": list(self.class_names), "task": self.task.name}
        if self.ngrams is not None:
            settings["ngrams"] = self.ngrams.config() | {"listed": self.ngrams.listed is not None}
            if self.ngrams.listed is not None:
                with atomic_path(Path(directory) / _NGRAMS) as temporary, open(temporary, "wb") as file:
                    np.save(file, self.ngrams.listed, allow_pickle=False)
        write_settings(directory, SPECIAL if self.vocabulary is None else self.vocabulary.tokens, settings)
        write_kind(directory, self.kind)

    @classmethod
    def load(cls, directory: str | Path) -> "TextPreprocess":
        """Read what `save` wrote.

        Raises:
            InputError: a file is missing, cut short or broken.
        """
        tokens, settings = read_settings(directory)
        try:
            ngrams = _read_ngrams(Path(directory), settings.pop("ngrams", None))
            vocabulary = Vocabulary(tokens) if tokens else None
            return cls(Tokenizer(**settings.pop("tokenizer")), vocabulary, ngrams=ngrams, **settings)
        except (ValueError, TypeError, OSError) as error:
            raise InputError(f"{directory} holds no readable text preprocessing: {error}; train again") from None


def _read_ngrams(directory: Path, settings: Any) -> NGrams | None:
    """The n-grams that `save` wrote; any error says that they cannot be read."""
    if not settings:
        return None
    listed = np.load(directory / _NGRAMS, allow_pickle=False) if settings.pop("listed") else None
    return NGrams(settings.pop("words"), settings.pop("characters"), listed=listed, **settings)
