"""A toy kind of work, taken through every verb: sequences of digits, labelled by the parity of their sum."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import keras
import numpy as np
import pytest
import tensorflow as tf
import tyro
from command_line import status

from tfconv import kinds
from tfconv.data.dataset import LabelledData, class_counts
from tfconv.data.preprocess import LOADERS, register_loader, write_kind
from tfconv.data.splits import stratified_parts
from tfconv.export.graph import ServedClassifier, Serving, bytes_feature
from tfconv.kinds.kind import Kind
from tfconv.kinds.options import Sweep, TrainingOptions
from tfconv.tasks import CLASSIFICATION

LENGTH, NAMES = 4, ("even", "odd")


class DigitPreprocess(tf.Module):
    """Strings of four digits to float32 (n, 4, 10), one-hot."""

    kind, task, class_names = "digits", CLASSIFICATION, NAMES

    def __call__(self, raw):
        digits = tf.strings.to_number(tf.strings.bytes_split(raw).to_tensor("0", shape=[None, LENGTH]), tf.int32)
        return tf.one_hot(digits, 10)

    def save(self, directory):
        write_kind(directory, self.kind)


@dataclasses.dataclass(frozen=True, eq=False)
class Digits:
    """The examples of one split."""

    raw: list[str]
    labels: np.ndarray

    def __len__(self):
        return len(self.raw)

    def take(self, rows):
        return Digits([self.raw[int(row)] for row in rows], self.labels[rows])

    def join(self, other):
        return Digits(self.raw + other.raw, np.concatenate([self.labels, other.labels]))

    def class_counts(self, classes):
        return class_counts(self.labels, classes)

    def contents(self):
        return [text.encode() for text in self.raw]

    def excerpt(self, number):
        return self.raw[number]


@dataclasses.dataclass(frozen=True)
class Preparation:
    """Settings of batches."""

    batch_size: int = 32
    seed: int = 0
    preprocess: DigitPreprocess | None = None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DigitData(LabelledData):
    """All splits."""

    unit: ClassVar[str] = "sequence"
    preprocess: ClassVar[DigitPreprocess] = DigitPreprocess()  # type: ignore
    preparation: Preparation = Preparation()

    def _batches(self, split, training):
        part = self.examples[split]
        rows = tf.data.Dataset.from_tensor_slices((self.preprocess(tf.constant(part.raw)), part.labels))
        rows = rows.shuffle(len(part), seed=self.preparation.seed) if training else rows
        return rows.batch(self.preparation.batch_size)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainDigits(TrainingOptions):
    """Settings of `tfconv train digits`."""

    data: Annotated[str, tyro.conf.Positional]
    hidden: int = 32  # units
    model: Literal["mlp"] = "mlp"  # architecture


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepDigits(Sweep, TrainDigits):
    """Settings of `tfconv lr-find digits`."""


def read(path):
    raw = Path(path).read_text().split()
    labels = np.array([sum(map(int, text)) % 2 for text in raw], np.int32)
    parts = stratified_parts(labels, validation=0.2, test=0.2, seed=0)
    every = Digits(raw, labels)
    splits = {split: every.take(rows) for split, rows in parts.items()}
    return DigitData(Path(path).stem, NAMES, splits)


class DigitServing(ServedClassifier):
    """Signatures over strings of digits."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="digits")])
    def ask(self, digits):
        return self._answers(self.graph(digits))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs):
        return self._classified(self.graph(bytes_feature(inputs, "digits")))

    def signatures(self):
        ask, classify = self.ask.get_concrete_function(), self.classify.get_concrete_function()
        return {"serving_default": ask, "classify": classify}


class DigitKind(Kind):
    """Parity of sequences of digits."""

    name, unit, title = "digits", "sequence", "a parity classifier"
    options, sweep_options = TrainDigits, SweepDigits
    figures = {"lengths": ("count",)}

    def recognizes(self, config):
        return config.source.endswith(".digits")

    def read(self, config):
        return read(config.data)

    def build(self, config, data):
        inputs = keras.Input((LENGTH, 10))
        hidden = keras.layers.Dense(config.hidden, "relu")(keras.layers.Flatten()(inputs))
        return keras.Model(inputs, keras.layers.Dense(1, name="logits")(hidden))

    def labelled(self, run, data):
        data = read(data or run.config["data"])
        return data.batches("test"), f"{data.name}, test split"

    def draw(self, run, figure, options):
        from matplotlib.figure import Figure

        figure = Figure()
        figure.subplots().hist([LENGTH] * options.get("count", 1))
        return figure

    def predictor(self, model, preprocess, task):
        ask = tf.function(lambda raw: task.probability_tensor(model(preprocess(raw), training=False)))
        return lambda examples, names: ask(tf.constant(list(examples))).numpy()

    def serving(self, model, preprocess, samples):
        raw = [b"1234", b"0000"]

        def module(names, task, separator, assets):
            served = DigitServing(model, preprocess, names, task=task, separator=separator, assets=assets)
            served.graph = lambda raw: task.probability_tensor(model(preprocess(raw), training=False))
            return served

        logits = np.concatenate([model(preprocess(tf.constant([one]))).numpy() for one in raw])
        return Serving(module, "digits", raw, logits, ["1234", "0000"], [preprocess(tf.constant(raw)).numpy()])


@pytest.fixture
def kind(monkeypatch):
    monkeypatch.setitem(kinds.KINDS, "digits", None)  # the tables are as before at the end
    monkeypatch.setitem(LOADERS, "digits", None)
    kinds.register(DigitKind())
    register_loader("digits", lambda directory: DigitPreprocess())


def test_every_verb_takes_it(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Path("some.digits").write_text("\n".join("".join(map(str, row)) for row in rng.integers(0, 2, (300, LENGTH))))
    options = ("--epochs", 40, "--learning-rate", 0.02, "--batch-size", 32)
    assert status("train", "digits", "some.digits", "--run", "run", *options) == 0
    out = capsys.readouterr().out
    assert "test split, 60 sequences" in out and "next:\n  tfconv evaluate run" in out
    accuracy = json.loads(Path("run/result.json").read_text())["scores"]["test"]["accuracy"]
    assert accuracy > 0.9  # parity is no linear function
    assert status("check", "some.digits") == 0
    assert "some: 180 training sequences" in capsys.readouterr().out
    assert status("check", "run", "--steps", 500) == 0
    assert status("lr-find", "digits", "some.digits", "--out", "sweep.png", "--steps", 20) == 0
    assert "figure: sweep.png" in capsys.readouterr().out
    assert status("evaluate", "run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["accuracy"] == pytest.approx(accuracy)
    assert status("predict", "run", "1000", "1001") == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["sequence"] for answer in answers] == ["1000", "1001"]
    assert [answer["label"] for answer in answers] == ["odd", "even"]
    for figure in ("lengths", "curves", "model"):
        assert status("plot", "run", figure) == 0 and Path(f"run/report/{figure}.png").stat().st_size > 1000
    assert status("plot", "run", "filters") == 2
    assert "classifies sequences, which have no filters" in capsys.readouterr().err
    assert status("export", "run", "saved/digits") == 0
    served = tf.saved_model.load("saved/digits/1").signatures["serving_default"]
    assert served(digits=tf.constant(["1000"]))["label"].numpy() == [b"odd"]
    assert status("train", "digits", "some.digits", "--run", "fine", "--from", "run", *options) == 0
    capsys.readouterr()
    assert status("train", "text", "some.digits", "--run", "other", "--from", "run") == 2
    assert "--from run is a run of `tfconv train digits`, this is `tfconv train text`" in capsys.readouterr().err
