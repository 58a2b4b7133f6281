"""Text classification, as a kind of work."""

import functools
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfconv.data.patterns import is_pattern, matching_files
from tfconv.errors import InputError
from tfconv.kinds.fine_tuning import earlier_preprocess, starting_model
from tfconv.kinds.kind import Kind
from tfconv.kinds.options import check_numbers, check_table_options, chosen_precision
from tfconv.kinds.source import check_known, columns_of, files_below, options_of, with_found_columns
from tfconv.kinds.text.options import CheckText, SweepText, TrainText

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt
    import tensorflow as tf

    from tfconv.data import TextData
    from tfconv.export.graph import Serving
    from tfconv.tasks import Task
    from tfconv.training.runs.folder import RunFolder

__all__ = ["TextKind"]

_LONGEST_OF = 100  # batches among which the longest texts are looked for


class TextKind(Kind):
    """Texts, each of one class or with several labels."""

    name = "text"
    unit = "text"
    title = "a text classifier"
    options, sweep_options, check_options = TrainText, SweepText, CheckText
    inputs = "tokenizer and vocabulary"
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

    def read(self, config: Any) -> "TextData":
        """The data set; TensorFlow is not imported yet."""
        from tfconv.data import text_source

        return text_source(config.data, columns_of(config), stream=True if config.stream else None)

    def prepare(self, config: Any, data: Any) -> "TextData":
        """The data set with its tokenizer's settings; --from brings its own vocabulary."""
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
        known = len(data.preprocess.vocabulary)
        return f"{config.model}: {model.count_params():,} parameters, {known:,} tokens known"

    def agreed(self, data: Any) -> dict[str, Any]:
        """The vocabulary."""
        return {"vocabulary": data.preprocess.vocabulary.tokens}

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
        return options_of(before, names, self.options) | {"length": read.get("length")}

    def labelled(self, run: Any, data: str | None) -> "tuple[tf.data.Dataset, str]":
        """Batches (ids, labels by the run's class numbers)."""
        from tfconv.kinds.text.examples import labelled_texts

        return labelled_texts(run, data)

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
