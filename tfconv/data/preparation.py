"""How the texts of a data set become batches: the settings, the one pass over the texts, the files that keep it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tfconv.errors import InputError
from tfconv.files import write_json

if TYPE_CHECKING:
    import tensorflow as tf

    from tfconv.data.examples import TextExamples
    from tfconv.data.text import TextPreprocess

__all__ = ["Preparation", "check_whole", "read_settings", "write_settings"]

_SPECIAL = 3  # padding, start, unknown: the first ids of every vocabulary
_ANEW = "copy the folder anew, or train again"


def check_whole(name: str, value: Any, least: int = 1, bits: int = 31, *, optional: bool = False) -> None:
    """Refuse what is no whole number from `least` to 2**bits - 1 (nor None, where `optional`).

    Raises:
        InputError: naming the argument, the limits and the value.
    """
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) < 2**bits:
        limits = f"from {least} to {2**bits - 1} (2**{bits} - 1)"
        raise InputError(f"{name} must be a whole number {limits}, got {value!r:.60}")


@dataclass(frozen=True)
class Preparation:
    """Settings from text to batch; the defaults are those of `tfconv.models.text_cnn_imdb`.

    Args:
        vocabulary_size: ids in all, three special ones included; `None`: every token of the training split.
        length: ids of the longest text, start mark included; the end of a longer text is cut off. `None`: no limit.
        level: `"word"` or `"char"`.
        punctuation: keep punctuation and emoticons as tokens (words only).
        lowercase: fold upper case.
        start: begin each text with the start id.
        min_count: rarer tokens are left out of the vocabulary.
        batch_size: texts a batch.
        bucket: training batches of texts of like length, so that little is padded.
        pad_to_length: make every batch `length` wide, as the exported graph does for a model that reads padding;
            `False`: as wide as its longest text. Default: true, unless `bucket` is or there is no `length`.
        drop_remainder: leave out the last, smaller training batch (replicas need equal ones).
        seed: of the order of training batches, together with the epoch; from 0 to 2**32 - 1.

    Raises:
        InputError: a number is out of range (they end at 2**31 - 1) or none, or `pad_to_length` lacks a `length`.
    """

    vocabulary_size: int | None = 5000
    length: int | None = 200
    level: Literal["word", "char"] = "word"
    punctuation: bool = False
    lowercase: bool = True
    start: bool = True
    min_count: int = 1
    batch_size: int = 64
    bucket: bool = False
    pad_to_length: bool | None = None
    drop_remainder: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("vocabulary_size", self.vocabulary_size, 4, optional=True)
        check_whole("length", self.length, optional=True)
        check_whole("min_count", self.min_count)
        check_whole("batch_size", self.batch_size)
        check_whole("seed", self.seed, 0, 32)
        if self.pad_to_length and self.length is None:
            raise InputError("pad_to_length=True needs a length, got length=None")

    def encode(
        self, splits: dict[str, "TextExamples"], class_names: Sequence[str], multi_label: bool
    ) -> tuple["TextPreprocess", dict[str, "tf.RaggedTensor"]]:
        """Build the vocabulary from `splits["train"]` and encode every split.

        Raises:
            InputError: there is no training split.
        """
        from tfconv.data.text import TextPreprocess, Tokenizer, build_vocabulary, token_chunks

        if "train" not in splits:
            raise InputError(f"the vocabulary is built from the split 'train', and there is only {sorted(splits)}")
        tokenizer = Tokenizer(self.level, punctuation=self.punctuation, lowercase=self.lowercase)
        chunks = list(token_chunks(splits["train"].texts, tokenizer))  # kept, so that they are tokenised only once
        vocabulary = build_vocabulary(chunks, self.vocabulary_size, min_count=self.min_count)
        preprocess = TextPreprocess(
            tokenizer, vocabulary, self.length, start=self.start, class_names=class_names, multi_label=multi_label
        )
        encoded = {"train": preprocess.encode(chunks)}
        for name, part in splits.items():
            if name != "train":
                encoded[name] = preprocess.encode(token_chunks(part.texts, tokenizer))
        return preprocess, encoded

    def batches(self, ids: "tf.RaggedTensor", labels: Any, *, training: bool) -> "tf.data.Dataset":
        """Batches (ids, labels): reshuffled each epoch for training, in the given order otherwise."""
        from tfconv.data import pipeline

        whole = not self.bucket if self.pad_to_length is None else self.pad_to_length
        return pipeline.batches(
            ids,
            labels,
            batch_size=self.batch_size,
            seed=self.seed if training else None,
            bucket=self.bucket and training,
            pad_to=self.length if whole else None,
            drop_remainder=self.drop_remainder and training,
        )


def write_settings(directory: str | Path, tokens: Sequence[str], settings: dict[str, Any]) -> None:
    """Write `vocabulary.json` (a list, so that a line feed can be a token) and `text.json` into `directory`.

    Args:
        directory: a folder; it is made if need be.
        tokens: all tokens in the order of their ids; the three special ones are not written.
        settings: what else makes a `TextPreprocess`.
    """
    write_json(Path(directory) / "vocabulary.json", list(tokens[_SPECIAL:]))
    write_json(Path(directory) / "text.json", settings | {"vocabulary_size": len(tokens)})


def read_settings(directory: str | Path) -> tuple[list[str], dict[str, Any]]:
    """The tokens, without the three special ones, and the settings that `write_settings` wrote.

    Raises:
        InputError: a file is missing, cut short or not as it was written.
    """
    directory = Path(directory)
    try:
        settings = json.loads((directory / "text.json").read_text("utf-8"))
        tokens = json.loads((directory / "vocabulary.json").read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{error.filename} is missing: give a folder that a text run wrote") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{directory} holds no readable text preprocessing: {error}; {_ANEW}") from None
    problem = _problem(settings, tokens)
    if problem:
        raise InputError(f"{directory} holds no readable text preprocessing: {problem}; {_ANEW}")
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
    if not _are_strings(settings.get("class_names", [])):
        return "text.json: class_names is no list of strings"
    if not _are_strings(tokens) or not tokens:
        return "vocabulary.json is no list of strings, or an empty one"
    size = settings.get("vocabulary_size", len(tokens) + _SPECIAL)
    if size != len(tokens) + _SPECIAL:
        return f"vocabulary.json has {len(tokens)} tokens and text.json says {size} with the {_SPECIAL} special ones"
    return None


def _are_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
