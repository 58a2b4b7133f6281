"""Prediction on raw sentences against the model called by hand."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.data import TextPreprocess, Tokenizer, Vocabulary
from tfconv.errors import InputError
from tfconv.evaluation import metrics
from tfconv.evaluation.prediction import Predictor, predict
from tfconv.evaluation.probability import padded_width
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL, Task

WORDS = ["good", "bad", "film", "not"]


@dataclasses.dataclass
class SmallRun:
    model: keras.Model
    preprocess: TextPreprocess
    class_names: tuple[str, ...]
    task: Task
    directory: Path


def small_run(classes=1, *, length=None, multi_label=False, directory="runs/small", masked=True, kernel=None, seed=0):
    keras.utils.set_random_seed(seed)
    ids = keras.Input((length,), dtype="int32")
    x = keras.layers.Embedding(len(WORDS) + 3, 5, mask_zero=masked and not kernel)(ids)
    if kernel:
        x = keras.layers.Conv1D(4, kernel)(x)
        x = keras.layers.MaxPooling1D(2)(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    model = keras.Model(ids, keras.layers.Dense(classes, bias_initializer="normal")(x) * 20)
    preprocess = TextPreprocess(Tokenizer(), Vocabulary(WORDS), 12)
    names = ("neg", "pos") if classes == 1 and not multi_label else tuple("abcdef"[:classes])
    return SmallRun(model, preprocess, names, MULTI_LABEL if multi_label else CLASSIFICATION, Path(directory))


def by_hand(run, text):
    """One text by itself, so that no padding for a neighbour can change it."""
    ids = run.preprocess(tf.constant([text]))
    return metrics.probabilities(run.model(ids, training=False).numpy(), task=run.task)[0]


@pytest.mark.parametrize(("classes", "multi_label"), [(1, False), (4, False), (4, True), (1, True)])
def test_predict_equals_the_model_by_hand(classes, multi_label):
    run = small_run(classes, multi_label=multi_label)
    texts = ["Good film!", "", "not bad, not bad at all", "film " * 100, "unknown wörds 🙂"]
    rows = predict(texts, run, batch_size=2)
    assert [row["text"] for row in rows] == texts
    for row in rows:
        want = by_hand(run, row["text"])
        assert list(row["probabilities"]) == list(run.class_names)
        np.testing.assert_allclose(list(row["probabilities"].values()), want, atol=1e-6)
        if multi_label:
            assert row["label"] == "|".join(n for n, p in zip(run.class_names, want, strict=True) if p > 0.5)
        else:
            assert row["label"] == run.class_names[want.argmax()]


def test_runs_stand_side_by_side_and_keep_apart_names():
    runs = [small_run(directory="a/cnn"), small_run(3, directory="b/cnn"), Predictor(small_run(seed=1), "mine")]
    rows = predict("good film", runs)
    assert [row["run"] for row in rows] == ["a/cnn", "b/cnn", "mine"]
    assert [list(row["probabilities"]) for row in rows] == [["neg", "pos"], ["a", "b", "c"], ["neg", "pos"]]
    assert predict([], runs) == []


def test_one_call_is_one_graph_call(monkeypatch):
    run = small_run()
    monkeypatch.setattr(run.model, "predict", lambda *a, **k: pytest.fail("model.predict is slow"))
    made, function = [], tf.function
    monkeypatch.setattr(tf, "function", lambda *a, **k: made.append(function(*a, **k)) or made[-1])
    predictor = Predictor(run)
    for text in ["good", "bad film", "not a good film at all"]:
        predict(text, predictor)
    assert [one.experimental_get_tracing_count() for one in made] == [1]


def test_bytes_that_are_no_utf8_are_answered():
    broken = b"good \xff film".decode("utf-8", "surrogateescape")
    assert predict(broken, small_run())[0]["label"] in ("neg", "pos")


@pytest.mark.parametrize("options", [{"masked": False}, {"kernel": 3}, {"length": 9}])
def test_an_answer_does_not_depend_on_the_neighbours(options):
    run = small_run(**options)
    predictor = Predictor(run)
    alone = predictor(["good"])
    np.testing.assert_allclose(predictor(["good", "film " * 50])[:1], alone, atol=1e-6)


def test_padded_width():
    assert padded_width(small_run(length=9).model, small_run().preprocess) == (9, True)
    assert padded_width(small_run().model, small_run().preprocess) == (1, False)
    no_limit = TextPreprocess(Tokenizer(), Vocabulary(WORDS), None)
    assert padded_width(small_run(kernel=3).model, no_limit) == (4, False)  # convolution to 2, pooling to 1
    assert padded_width(small_run(masked=False).model, small_run().preprocess) == (12, False)


def test_a_strange_vocabulary_is_an_input_error():
    run = small_run()
    run.preprocess = TextPreprocess(Tokenizer(), Vocabulary([*WORDS, "one", "more"]), 12)
    with pytest.raises(InputError, match="vocabulary"):
        Predictor(run)


@pytest.mark.parametrize(("classes", "names"), [(1, ("a", "b", "c")), (3, ("a", "b")), (1, ("a",))])
def test_outputs_that_do_not_fit_the_names(classes, names):
    run = small_run(classes)
    run.class_names = names
    with pytest.raises(InputError, match="output"):
        Predictor(run)


def test_no_run():
    with pytest.raises(InputError, match="at least one run"):
        predict("good", [])
