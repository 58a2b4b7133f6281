"""The checks before publication fail when they should: each broken model here was once a broken server."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_classifiers import by_hand, preprocess, stock_model

from tfconv.export import ExportError, check_saved_model, export_serving
from tfconv.export.checks import rule_breaks
from tfconv.kinds.text import serving as text_graph
from tfconv.kinds.text import serving as text_samples

NAMES = ("neg", "pos")


def published(base):
    return sorted(entry.name for entry in base.iterdir())


def broken(monkeypatch, change):
    """Export with a served graph that differs from the live model."""
    real = text_graph.probability_graph

    def wrapped(*args, **kwargs):
        answer = real(*args, **kwargs)
        return lambda texts: change(texts, answer)

    monkeypatch.setattr(text_graph, "probability_graph", wrapped)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda texts, answer: answer(texts)[:, ::-1], "differ from the live model"),
        (lambda texts, answer: answer(texts) + 2e-5, "differ from the live model"),
        (lambda texts, answer: answer(texts) * float("nan"), "differ from the live model by nan"),
        (lambda texts, answer: tf.cast(answer(texts), tf.float16), "which JSON cannot hold"),
        (lambda texts, answer: answer(texts)[:3], "runs|probabilities"),
        (lambda texts, answer: tf.py_function(lambda x: x, [answer(texts)], tf.float32), "runs Python"),
        (lambda texts, answer: tf.function(lambda x: x * 1, jit_compile=True)(answer(texts)), "asks for XLA"),
        (
            lambda texts, answer: answer(texts) + 0 * tf.reduce_sum(np.ones((400, 400), np.float32)),
            "weights must be variables",
        ),
        # Right for a batch of the samples, wrong for each text alone: the answer depends on the neighbours.
        (lambda texts, answer: answer(texts) + 1e-3 * tf.cast(tf.size(texts) > 1, tf.float32), "differ from the live"),
    ],
    ids=["swapped", "off", "nan", "half", "rows", "python", "xla", "constants", "neighbours"],
)
@pytest.mark.filterwarnings("ignore")
def test_a_broken_graph_is_not_published(tmp_path, monkeypatch, change, message):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_text("published before")
    broken(monkeypatch, change)
    with pytest.raises(ExportError, match=message):
        export_serving(stock_model(), preprocess(), tmp_path, keep=1)
    assert published(tmp_path) == ["1"]


def test_a_shifted_vocabulary_is_found(tmp_path, monkeypatch):
    real = text_graph._FileVocabulary.lookup
    monkeypatch.setattr(
        text_graph._FileVocabulary, "lookup", lambda self, tokens: tf.maximum(real(self, tokens) - 1, 2)
    )
    with pytest.raises(ExportError, match="differ from the live model"):
        export_serving(stock_model(), preprocess(), tmp_path)
    assert published(tmp_path) == []


def test_what_only_the_session_loader_refuses(tmp_path, monkeypatch):
    """Keras variables that are only reached through a model: `tf.saved_model.load` is content, a server is not."""
    model, prepare = stock_model(), preprocess()

    class Naive(tf.Module):
        def __init__(self):
            super().__init__()
            self.model, self.preprocess = model, prepare

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def serve(self, text):
            p = tf.sigmoid(self.model(self.preprocess(text)))
            p = tf.concat([1 - p, p], axis=1)
            label = tf.gather(tf.constant(NAMES), tf.argmax(p, axis=1))
            return {"probabilities": p, "label": label, "score": tf.reduce_max(p, axis=1)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def classify(self, inputs):
            text = tf.io.parse_example(inputs, {"text": tf.io.FixedLenFeature([], tf.string)})["text"]
            p = self.serve(text)["probabilities"]
            return {"classes": tf.broadcast_to(tf.constant(NAMES), tf.shape(p)), "scores": p}

    module = Naive()
    tf.saved_model.save(module, str(tmp_path), {"serving_default": module.serve, "classify": module.classify})
    texts = [b"good film", b""]
    with pytest.raises(ExportError, match="the session loader cannot run .* variable"):
        check_saved_model(tmp_path, texts, by_hand(model, prepare, texts).astype(np.float32), NAMES)


def test_an_export_keeps_every_rule(tmp_path):
    assert list(rule_breaks(export_serving(stock_model(), preprocess(), tmp_path))) == []


def test_rules_on_a_foreign_model(tmp_path):
    module = tf.Module()
    module.serve = tf.function(
        lambda x: {"all_bytes": x, "classes": tf.constant(["a", "b"])}, input_signature=[tf.TensorSpec([1], tf.string)]
    )
    tf.saved_model.save(module, str(tmp_path), {"serving_default": module.serve})
    found = "; ".join(rule_breaks(tmp_path))
    for part in ("input x of", "fixed batch", "output classes of serving_default does not begin with", "base 64"):
        assert part in found


def test_an_answer_that_depends_on_padding_is_refused(tmp_path):
    """No mask, and no length to pad to: alone and in a batch a text would get different answers."""
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(20, 4)(ids))
    model = keras.Model(ids, keras.layers.Dense(1)(x))
    with pytest.raises(ExportError, match="differ"):
        export_serving(model, preprocess(length=None), tmp_path)
    assert published(tmp_path) == []
    export_serving(model, preprocess(length=12), tmp_path)  # always padded to 12
    assert published(tmp_path) == ["1"]


def test_the_samples_hold_what_breaks_models():
    samples = text_samples._SAMPLES
    assert b"" in samples and max(map(len, samples)) > 10_000
    with pytest.raises(UnicodeDecodeError):
        b" ".join(samples).decode()
    assert any("🙂" in sample.decode("utf-8", "replace") for sample in samples)
