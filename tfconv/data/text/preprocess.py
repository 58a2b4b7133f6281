"""From raw text to integer ids: tokeniser, vocabulary, and the two together.

All is TensorFlow operations: the very graph that made the training batches goes into the exported model.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import tensorflow as tf

from tfconv.checks import check_whole
from tfconv.data.preprocess import are_strings, read_json, unreadable
from tfconv.data.text.token_counts import TokenCounts
from tfconv.errors import InputError
from tfconv.files import write_json
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL, Task

__all__ = [
    "TextPreprocess",
    "TokenChunk",
    "Tokenizer",
    "Vocabulary",
    "build_vocabulary",
    "read_settings",
    "token_chunks",
    "write_settings",
]


_CHUNK_CHARACTERS = 1 << 20


class TokenChunk(NamedTuple):
    """Some hundred tokenised texts: text i is `unique[places[sum(lengths[:i]):][:lengths[i]]]`."""

    unique: np.ndarray  # bytes, the different tokens
    occurrences: np.ndarray  # how often each occurs
    places: np.ndarray  # int32, for every token of every text its place in `unique`
    lengths: np.ndarray  # int64, tokens of each text


def token_chunks(texts: Iterable[str], tokenizer: "Tokenizer", *, size: int = 512) -> Iterator[TokenChunk]:
    """Tokenise on all cores, `size` texts at a time (fewer of long ones); memory does not grow with their number."""
    failed: list[Exception] = []

    def lists() -> Iterator[list[str]]:
        part, characters = list[str](), 0
        try:
            for text in texts:
                part.append(text)
                characters += len(text)
                if len(part) == size or characters >= _CHUNK_CHARACTERS:
                    yield part
                    part, characters = [], 0
        except Exception as error:  # of who gives the texts: TensorFlow would make twenty lines of it
            failed.append(error)
            return
        if part:
            yield part

    def tokenise(part: tf.Tensor) -> tuple[tf.Tensor, ...]:
        tokens = tokenizer(part)
        unique, places, counts = tf.unique_with_counts(tokens.flat_values)
        return unique, counts, places, tokens.row_lengths()

    dataset = tf.data.Dataset.from_generator(lists, output_signature=tf.TensorSpec([None], tf.string))
    dataset = dataset.map(tokenise, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
    for arrays in dataset.as_numpy_iterator():
        yield TokenChunk(*arrays)
    if failed:
        raise failed[0]


def write_settings(directory: str | Path, tokens: Sequence[str], settings: dict[str, Any]) -> None:
    """Write `vocabulary.json` (a list, so that a line feed can be a token) and `text.json` into `directory`.

    Args:
        directory: a folder; it is made if need be.
        tokens: all tokens in the order of their ids; the three special ones are not written.
        settings: what else makes a `TextPreprocess`.
    """
    write_json(Path(directory) / "vocabulary.json", list(tokens[len(_SPECIAL) :]))
    write_json(Path(directory) / "text.json", settings | {"vocabulary_size": len(tokens)})


def read_settings(directory: str | Path) -> tuple[list[str], dict[str, Any]]:
    """The tokens, without the three special ones, and the settings that `write_settings` wrote.

    Raises:
        InputError: a file is missing, cut short or not as it was written.
    """
    settings, tokens = read_json(directory, ("text.json", "vocabulary.json"), "text")
    problem = _problem(settings, tokens)
    if problem:
        raise unreadable(directory, "text", problem)
    settings.pop("vocabulary_size", None)
    return tokens, settings


def _problem(settings: Any, tokens: Any) -> str | None:
    if not isinstance(settings, dict) or not isinstance(settings.get("tokenizer"), dict) or "length" not in settings:
        return "text.json lacks tokenizer or length"
    try:
        check_whole("text.json: length", settings["length"], optional=True)
    except InputError as error:
        return str(error)
    flags = [settings["tokenizer"].get(name, False) for name in ("punctuation", "lowercase")]
    flags += [settings.get(name, False) for name in ("start", "multi_label")]
    if not all(isinstance(flag, bool) for flag in flags):
        return "text.json: punctuation, lowercase, start and multi_label must be true or false"
    if not are_strings(settings.get("class_names", [])):
        return "text.json: class_names is no list of strings"
    if not are_strings(tokens) or not tokens:
        return "vocabulary.json is no list of strings, or an empty one"
    size = settings.get("vocabulary_size", len(tokens) + len(_SPECIAL))
    if size != len(tokens) + len(_SPECIAL):
        return (
            f"vocabulary.json has {len(tokens)} tokens and text.json says {size} with the {len(_SPECIAL)} special ones"
        )
    return None


PAD, START, OUT_OF_VOCABULARY = 0, 1, 2
_SPECIAL = ("", "<start>", "<oov>")

# "<br />", not the "<" of "a < b" nor of "<3"; blanks and control characters of every script.
_BLANK = r"</?[a-zA-Z][^<>]*>|[\pZ\pC]+"
_NO_WORD = r"[^\pL\pM\pN']+"
# Leftmost alternative first: an emoticon, a run of dots, a run of ! and ?, or any other single mark.
_MARK = r"[:;=][-^']?(?:[()\[\]/\\|*]|[dpo]\b)|<3|\.\.+|[!?]+|[^\pL\pM\pN'\s]"


class Tokenizer:
    r"""Cut text into words or characters.

    Words: lower case, HTML tags dropped, letters, marks, digits and inner apostrophes ("don't") kept together. With
    `punctuation` every other mark is a token of its own; emoticons (`:-)`, `<3`) and runs (`...`, `?!`) stay whole.
    Characters: every code point, blanks included. Bytes that are no UTF-8 become U+FFFD.

    Args:
        level: `"word"` or `"char"`.
        punctuation: keep punctuation and emoticons; words only.
        lowercase: fold upper case.

    Raises:
        ValueError: another `level`, or `punctuation` with characters (they keep it always).
    """

    def __init__(self, level: Literal["word", "char"] = "word", *, punctuation: bool = False, lowercase: bool = True):
        if level not in ("word", "char"):
            raise ValueError(f"level must be 'word' or 'char', got {level!r}")
        if level == "char" and punctuation:
            raise ValueError("punctuation=True is for level='word': characters keep all punctuation")
        self.level: Literal["word", "char"] = level
        self.punctuation = punctuation
        self.lowercase = lowercase

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Strings of shape (n,) to ragged tokens of shape (n, None)."""
        texts = tf.convert_to_tensor(texts, tf.string)
        if self.lowercase:
            texts = tf.strings.lower(texts, encoding="utf-8")
        else:
            texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
        if self.level == "char":
            return tf.strings.unicode_split(texts, "UTF-8")
        texts = tf.strings.regex_replace(texts, _BLANK, " ")
        texts = tf.strings.regex_replace(texts, "[‘’]", "'")
        if self.punctuation:
            texts = tf.strings.regex_replace(texts, _MARK, r" \0 ")
        else:
            texts = tf.strings.regex_replace(texts, _NO_WORD, " ")
        # Apostrophes at the edge of a word are quotation marks.
        texts = tf.strings.regex_replace(texts, r"(?:^|\s)'+|'+(?:\s+'*|$)", " ")
        return tf.strings.split(texts)

    def config(self) -> dict[str, Any]:
        """The arguments that make an equal tokeniser."""
        return {"level": self.level, "punctuation": self.punctuation, "lowercase": self.lowercase}


class Vocabulary(tf.Module):
    """Tokens and their ids: 0 pads, 1 starts a text, 2 stands for every unknown token, then the tokens given.

    Args:
        tokens: the learned tokens, most frequent first, without the three special ones.

    Raises:
        ValueError: a token stands twice.
    """

    def __init__(self, tokens: Sequence[str]):
        super().__init__(name="vocabulary")
        self.tokens: tuple[str, ...] = (*_SPECIAL, *tokens)
        if twice := [token for token, count in Counter(tokens).items() if count > 1]:
            raise ValueError(f"a vocabulary holds each token once, got {twice[0]!r} twice")
        keys = tf.constant(list(tokens), tf.string, shape=(len(tokens),))
        ids = tf.range(len(_SPECIAL), len(self.tokens), dtype=tf.int32)
        self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, ids), OUT_OF_VOCABULARY)

    def __len__(self) -> int:
        return len(self.tokens)

    def lookup(self, tokens: tf.Tensor | tf.RaggedTensor) -> tf.Tensor | tf.RaggedTensor:
        """Tokens (string, dense or ragged) to int32 ids of the same shape."""
        return self.table.lookup(tokens)

    def decode(self, ids: Sequence[int] | np.ndarray, separator: str = " ") -> str:
        """Ids of one text back to text; padding and the start mark are left out, unknown tokens read `<oov>`."""
        return separator.join(self.tokens[int(i)] for i in ids if int(i) not in (PAD, START))


def build_vocabulary(
    chunks: Iterable[TokenChunk], size: int | None = None, *, min_count: int = 1, distinct: int | None = None
) -> Vocabulary:
    """The most frequent tokens of the training split; of equally frequent ones, the alphabetically first.

    Args:
        chunks: from `token_chunks`.
        size: ids in all, the three special ones included; `None`: no limit.
        min_count: tokens seen less often are left out.
        distinct: most different tokens to hold while counting, which bounds memory (2**19: 100 MB); where there are
            more, counts are too low by at most `TokenCounts.error`. `None`: all of them, exactly.

    Raises:
        ValueError: `size` leaves no room for a token.
        InputError: there is no token at all.
    """
    if size is not None and size <= len(_SPECIAL):
        raise ValueError(f"vocabulary_size must be above {len(_SPECIAL)} (pad, start, unknown), got {size}")
    counts = TokenCounts(distinct)
    for chunk in chunks:
        counts.add(chunk.unique.tolist(), chunk.occurrences.tolist())
    kept = sorted((-count, token) for token, count in counts if count >= min_count)
    if not kept:
        raise InputError("the training texts hold no word: is this the right column, and the right level (word, char)?")
    return Vocabulary([token.decode("utf-8") for _, token in kept[: None if size is None else size - len(_SPECIAL)]])


class TextPreprocess(tf.Module):
    """Raw text to padded ids, in one graph for training and for serving.

    Args:
        tokenizer: cuts the text.
        vocabulary: gives the ids.
        length: longest text in ids, the start mark included; the end of a longer one is cut off. `None`: no limit.
        start: begin each text with the start id.
        class_names: names of the classes in the order of the model's outputs, for who reads its answers.
        multi_label: each class is a yes or no of its own.
    """

    kind = "text"

    def __init__(
        self,
        tokenizer: Tokenizer,
        vocabulary: Vocabulary,
        length: int | None = None,
        *,
        start: bool = True,
        class_names: Sequence[str] = (),
        multi_label: bool = False,
    ):
        super().__init__(name="text_preprocess")
        check_whole("length", length, optional=True)
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self.length = length
        self.start = start
        self.class_names = tuple(class_names)
        self.multi_label = multi_label

    @property
    def task(self) -> Task:
        """What is predicted."""
        return MULTI_LABEL if self.multi_label else CLASSIFICATION

    def __call__(self, texts: tf.Tensor, *, pad_to: int | None = None) -> tf.Tensor:
        """Strings (n,) to int32 ids (n, width), padded with 0 at the end.

        Args:
            texts: strings of shape (n,).
            pad_to: the width; default: the longest text of the batch, at least 1.
        """
        ids = self.vocabulary.lookup(self.tokenizer(texts))
        if self.start:
            ids = tf.concat([tf.fill([ids.nrows(), 1], START), ids], axis=1)
        if self.length is not None:
            ids = ids[:, : self.length]
        if pad_to is not None:
            return ids.to_tensor(PAD, shape=(None, pad_to))
        ids = ids.to_tensor(PAD)
        return tf.pad(ids, [[0, 0], [0, tf.maximum(1 - tf.shape(ids)[1], 0)]])

    def encode(self, chunks: Iterable[TokenChunk]) -> tf.RaggedTensor:
        """The ids of many texts from `token_chunks`, without padding: ragged int32 (n, None); equal to `__call__`."""
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
        """The tokens of one text, as the model sees them: cut at `length`, without the start mark."""
        limit = None if self.length is None else self.length - int(self.start)
        return [token.decode("utf-8") for token in self.tokenizer(tf.constant([text]))[0].numpy()][:limit]

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """Ids of one text back to text."""
        return self.vocabulary.decode(ids, " " if self.tokenizer.level == "word" else "")

    def save(self, directory: str | Path) -> None:
        """Write `text.json` and `vocabulary.json` into `directory`."""
        settings: dict[str, Any] = {"tokenizer": self.tokenizer.config(), "length": self.length, "start": self.start}
        settings |= {"class_names": list(self.class_names), "multi_label": self.multi_label}
        write_settings(directory, self.vocabulary.tokens, settings)

    @classmethod
    def load(cls, directory: str | Path) -> "TextPreprocess":
        """Read what `save` wrote.

        Raises:
            InputError: a file is missing, cut short or broken.
        """
        tokens, settings = read_settings(directory)
        try:
            return cls(Tokenizer(**settings.pop("tokenizer")), Vocabulary(tokens), **settings)
        except (ValueError, TypeError) as error:
            raise InputError(f"{directory} holds no readable text preprocessing: {error}; train again") from None
