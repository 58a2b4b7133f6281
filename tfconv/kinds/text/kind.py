"""Text classification, as a kind of work."""

import dataclasses
import functools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfconv.data.patterns import is_pattern, matching_files
from tfconv.errors import InputError
from tfconv.kinds.fine_tuning import earlier_preprocess, starting_model
from tfconv.kinds.kind import Kind
from tfconv.kinds.options import check_numbers, check_table_options, chosen_precision
from tfconv.kinds.source import check_known, columns_of, files_below, options_of, with_found_columns
from tfconv.kinds.text.ngrams import (
    LINEAR,
    WIDE_DEEP,
    choice,
    linear_baseline,
    settings_of,
    solved_model,
    with_all_labels,
)
from tfconv.kinds.text.options import CheckText, SweepText, TrainText

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt
    import tensorflow as tf
    from matplotlib.figure import Figure

    from tfconv.data import TextData
    from tfconv.export.graph import Serving
    from tfconv.tasks import Task
    from tfconv.training.runs.folder import RunFolder

__all__ = ["TextKind"]

_NETWORK = "multi-width-text-cnn"
# Options that only a network has, or a training by steps; the wide and deep one brings its own of the first two lines.
_OF_NETWORKS = (
    *("length", "level", "words_only", "vectors", "freeze_vectors", "from_", "patience", "learning_rate", "optimizer"),
    *("lookahead", "schedule", "warmup", "cycle_epochs", "snapshots", "weight_decay", "clip_norm", "accumulate", "ema"),
    *("swa_epochs", "label_smoothing"),
)
_OF_STEPS = ("vocabulary_size", "epochs", "batch_size")
_OF_DEVICES = ("precision", "strategy")  # which solving does not need, but obeys
_LONGEST_OF = 100  # batches among which the longest texts are looked for


class TextKind(Kind):
    """Texts, each of one class or with several labels."""

    name = "text"
    unit = "text"
    title = "a text classifier"
    options, sweep_options, check_options = TrainText, SweepText, CheckText
    inputs = "tokenizer and vocabulary"
    figures = {"tokens": ("count", "seed")}
    inherited = ("model", "vocabulary_size", "length", "level", "words_only", "vectors", "freeze_vectors")

    def check(self, config: Any) -> None:
        """Refuse settings that are out of range or do not go together."""
        super().check(config)
        check_table_options(config)
        check_numbers(config, {"vocabulary_size": 4, "length": 1}, ())
        if config.freeze_vectors and config.vectors is None:
            raise InputError(
                "--freeze-vectors goes with --vectors FILE: without it nothing would be learned about words"
            )
        if config.vectors is not None and config.level == "char":
            raise InputError("--vectors are for words: leave out --level char")
        check_numbers(config, {}, ("time_limit",))
        if config.time_limit is not None and config.model not in ("auto", WIDE_DEEP):
            raise InputError(
                f"--time-limit is for --model auto and {WIDE_DEEP}, got --model {config.model}: leave it out"
            )
        if config.model in (LINEAR, WIDE_DEEP):
            of_steps = _OF_STEPS if config.model == LINEAR else ()
            if reason := _given(config, (*_OF_NETWORKS, *of_steps)):
                raise InputError(f"--model {config.model} has settings of its own, and {reason}: give another --model")

    def check_source(self, source: str) -> None:
        """Refuse what is no data set by its name alone."""
        check_known(source, ("imdb", "synthetic"), "a file, a folder")

    def reads_with_tensorflow(self, source: str) -> bool:
        """Of TensorFlow Datasets and TFRecords."""
        from tfconv.data.source import holds_tfrecords

        return source.startswith("tfds:") or holds_tfrecords(source)

    def recognizes(self, config: Any) -> bool:
        """Whether it has a column of texts."""
        return config.text is not None

    def settled(self, config: Any) -> Any:
        """The settings with what a look at a CSV file finds."""
        return with_found_columns(config, "text")

    def chosen(self, config: Any, data: Any, *, steps: bool = False) -> Any:
        """For `auto` a model with n-grams, unless texts are streamed or an option of networks is given."""
        from tfconv.data.source import is_streamed

        if config.model not in ("auto", LINEAR, WIDE_DEEP):
            return config
        reason = _given(config, (*_OF_NETWORKS, *_OF_STEPS, *_OF_DEVICES)) if config.model == "auto" else None
        reason = "the texts are streamed" if config.stream or is_streamed(config.data) else reason
        if config.model != "auto" and (reason or steps):
            reason = reason or "a network is needed, which is trained by steps alone"
            raise InputError(f"--model {config.model} is solved, and {reason}: give another --model")
        if reason or steps:
            if reason and not steps:
                print(f"auto: {_NETWORK}, as {reason}")
            return dataclasses.replace(config, model=_NETWORK)
        return settings_of(config, data)

    def read(self, config: Any) -> "TextData":
        """The data set; TensorFlow is not imported yet."""
        from tfconv.data import text_source

        return text_source(config.data, columns_of(config), stream=True if config.stream else None)

    def prepare(self, config: Any, data: Any) -> "TextData":
        """The data set with its tokenizer's settings; --from brings its own vocabulary."""
        if config.model in (LINEAR, WIDE_DEEP):
            data = with_all_labels(config, data)
            return data.prepare(**choice(data).preparation(data, config))
        level = config.level if config.level != "auto" else ("char" if config.model == "char-cnn" else "word")
        return data.prepare(
            vocabulary_size=config.vocabulary_size,
            length=config.length,
            level=level,
            punctuation=not config.words_only and level == "word",
            batch_size=config.batch_size,
            bucket=True,
            balanced=config.balanced == "sampling",
            preprocess=earlier_preprocess(config),
            seed=config.seed,
        )

    def build(self, config: Any, data: Any) -> "keras.Model":
        """The model, untrained, or that of --from."""
        from tfconv import models

        precision = chosen_precision(config)
        if config.from_ is not None:
            return starting_model(config.from_, data, dtype=precision)
        if config.model in (LINEAR, WIDE_DEEP):
            return solved_model(config, data)
        builders: dict[str, Any] = {
            # As in recipes/imdb_text_cnn.py, which measured it.
            "multi-width-text-cnn": functools.partial(models.MultiWidthTextCNN, hidden_units=250),
            "text-cnn": models.TextCNN,
            "char-cnn": models.CharCNN,
            "residual-text-cnn": models.ResidualTextCNN,
            "dilated-text-cnn": models.DilatedTextCNN,
            "bag-of-words-linear": models.BagOfWordsLinear,
            "bag-of-words-mlp": models.BagOfWordsMLP,
        }
        vocabulary = data.preprocess.vocabulary
        builder = functools.partial(builders[config.model], len(vocabulary), classes=data.outputs, dtype=precision)
        if config.vectors is None:
            return builder()
        if config.model in ("bag-of-words-linear", "char-cnn"):
            raise InputError(f"--vectors do not go with --model {config.model}: it has no word embedding")
        from tfconv.data import read_vectors

        vectors = read_vectors(config.vectors, vocabulary.tokens)
        print(vectors.summary())
        model = builder(embedding_dim=vectors.matrix.shape[1], embedding_trainable=not config.freeze_vectors)
        models.load_word_vectors(model, vectors.matrix)
        return model

    def baseline(self, config: Any, data: Any, model: "keras.Model") -> "tuple[str, keras.Model, TextData] | None":
        """The linear n-gram model; none for that model itself and for streamed texts."""
        return linear_baseline(config, data, model)

    def curves(self, config: Any, history: Mapping[str, Any]) -> Mapping[str, Any]:
        """None of wide and deep: its training scores are those of the deep part, its validation scores the blend's."""
        return {} if config.model == WIDE_DEEP else history

    def objective(self, config: Any, data: Any) -> tuple[Any, Any]:
        """Those of soft labels where there is label smoothing."""
        from tfconv import training

        if config.label_smoothing == 0 and data.task.exclusive:
            return None, None
        smoothing = config.label_smoothing if data.task.exclusive else 0.0
        return training.soft_label_objective(data.outputs, task=data.task, label_smoothing=smoothing)

    def longest_batch(self, batches: "tf.data.Dataset") -> Any:
        """The longest texts, among the first hundred batches."""
        return max(batches.take(_LONGEST_OF), key=lambda batch: batch[0].shape[1])

    def describe(self, config: Any, data: Any, model: "keras.Model") -> str:
        """The model's size and the vocabulary's."""
        if config.model in (LINEAR, WIDE_DEEP):
            words = f"{len(data.preprocess.vocabulary):,} tokens known, " if config.model == WIDE_DEEP else ""
            return f"{data.preprocess.ngrams.size - 1:,} n-grams, {words}{model.count_params():,} parameters"
        known = len(data.preprocess.vocabulary)
        return f"{config.model}: {model.count_params():,} parameters, {known:,} tokens known"

    def agreed(self, data: Any) -> dict[str, Any]:
        """The vocabulary."""
        vocabulary, ngrams = data.preprocess.vocabulary, data.preprocess.ngrams
        listed = () if ngrams is None or ngrams.listed is None else ngrams.listed.tolist()
        return {"vocabulary": () if vocabulary is None else vocabulary.tokens, "ngrams": listed}

    def next_commands(self, run: Path) -> list[str]:
        """Predict and export."""
        return [f'tfconv predict {run} "some text"', f"tfconv export {run} saved_models/{run.name}"]

    def inherited_settings(self, config: Any, before: "RunFolder") -> dict[str, Any]:
        """Model and tokenizer settings; the length that texts are cut to."""
        from tfconv.data.preprocess import read_json, unreadable

        folder = before.directory / "preprocess"
        (read,) = read_json(folder, ("text.json",), self.unit)
        if not isinstance(read, dict):
            raise unreadable(folder, self.unit, "settings are missing, or of another type")
        names = ("model", "vocabulary_size", "level", "words_only")
        found = options_of(before, names, self.options) | {"length": read.get("length")}
        if found.get("model") in (LINEAR, WIDE_DEEP):
            raise InputError(
                f"--from goes on with a network, and {before.directory} holds an n-gram model: leave it out"
            )
        return found

    def labelled(self, run: Any, data: str | None) -> "tuple[tf.data.Dataset, str]":
        """Batches (ids, labels by the run's class numbers)."""
        from tfconv.kinds.text.examples import labelled_texts

        return labelled_texts(run, data)

    def draw(self, run: Any, figure: str, options: Mapping[str, Any]) -> "Figure":
        """Tokens."""
        from tfconv.kinds.text.figures import draw

        return draw(run, options)

    def given(self, arguments: Sequence[str]) -> list[tuple[str, str | None]]:
        """Texts as they are, and those of the .txt files that a path, a folder or a pattern names."""
        found: list[tuple[str, str | None]] = []
        for argument in arguments:
            of_files = argument.endswith(".txt") and not re.search(r"\s", argument)  # a text may hold a * or a ?
            if os.path.isdir(argument) and os.sep in argument:  # "reviews" alone is a text
                files = files_below(argument, (".txt",))
            elif of_files and is_pattern(argument):
                files = [str(path) for path in matching_files(argument)]
            elif of_files and os.path.isfile(argument):
                files = [argument]
            else:
                found.append((argument, None))
                continue
            found += [(file, file) for file in files]
        return found

    def raw(self, example: str, file: str | None) -> str:
        """A text, or a text file's content; bytes that are not UTF-8 become U+FFFD, as in the exported graph."""
        if file is None:
            return example
        try:
            return Path(file).read_text("utf-8", errors="replace").strip("\r\n")
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror}); check its permissions") from error

    def predictor(
        self, model: "keras.Model", preprocess: Any, task: "Task"
    ) -> "Callable[[Sequence[Any], Sequence[str] | None], npt.NDArray]":
        """Trace text to probabilities."""
        import tensorflow as tf

        from tfconv.evaluation.probability import probability_graph

        graph = probability_graph(model, preprocess, task=task)
        function = tf.function(graph, input_signature=[tf.TensorSpec([None], tf.string, name="text")])

        def ask(texts: Sequence[Any], names: Sequence[str] | None) -> "npt.NDArray":
            # "surrogateescape" is how Python hands over bytes of stdin that are no UTF-8.
            raw = [text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text for text in texts]
            return function(tf.constant(raw, tf.string)).numpy()

        return ask

    def serving(self, model: "keras.Model", preprocess: Any, samples: Sequence[Any]) -> "Serving":
        """Raw texts in."""
        from tfconv.kinds.text.serving import text_serving

        return text_serving(model, preprocess, samples)


def _given(config: Any, names: Sequence[str]) -> str | None:
    """The first of these options that is not at its default, or samples classes, as it is typed."""
    usual = {field.name: field.default for field in dataclasses.fields(config)}
    for name in names:
        if getattr(config, name) != usual[name]:
            return f"--{name.rstrip('_').replace('_', '-')} is given"
    return "--balanced sampling is given" if config.balanced == "sampling" else None
