"""Token effects against weights that are known, and against leaving tokens out by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.data import TextPreprocess, Tokenizer, Vocabulary
from tfconv.errors import InputError
from tfconv.interpret import linear_weights, occlusion, significant_tokens
from tfconv.models import BagOfWordsLinear, TextCNN
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL

WORDS = ["good", "bad", "film", "not", "at", "all", "great", "awful"]
SIZE = len(WORDS) + 3


def preprocess(names=("neg", "pos"), *, start=True, multi_label=False, length=10):
    return TextPreprocess(
        Tokenizer(),
        Vocabulary(WORDS),
        length,
        start=start,
        class_names=names,
        task=MULTI_LABEL if multi_label else CLASSIFICATION,
    )


def linear(classes=1, *, mean=False, seed=0):
    """A linear bag of words with known weights, of stock layers."""
    weights = np.random.default_rng(seed).normal(size=(SIZE, classes)).astype(np.float32)
    ids = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(SIZE, classes, mask_zero=True)
    x = embedding(ids)
    if mean:
        x = keras.layers.GlobalAveragePooling1D()(x)
        x = keras.layers.Dense(classes, kernel_initializer="identity", bias_initializer="ones")(x)
    else:
        mask = keras.ops.cast(keras.ops.not_equal(ids, 0), "float32")[:, :, None]
        x = keras.ops.sum(keras.layers.Lambda(lambda x: x)(x) * mask, axis=1)
    model = keras.Model(ids, x)
    embedding.embeddings.assign(weights)
    return model, weights


@pytest.mark.parametrize(("classes", "mean"), [(1, False), (3, False), (1, True)])
@pytest.mark.filterwarnings("ignore:Layer 'lambda:UserWarning")
def test_linear_weights_are_the_weights(classes, mean):
    model, weights = linear(classes, mean=mean)
    got = linear_weights(model, preprocess())
    # Keras' mean of no vectors is NaN; the unknown token is then the origin.
    np.testing.assert_allclose(got[1:], weights[1:] - (weights[2] if mean else 0), atol=1e-5)
    np.testing.assert_array_equal(got[0], 0)


@pytest.mark.parametrize("mode", ["count", "binary"])
def test_weights_of_our_linear_model(mode):
    model = BagOfWordsLinear(SIZE, mode=mode)
    kernel = np.random.default_rng(1).normal(size=(SIZE, 1)).astype(np.float32)
    model.get_layer("logits").kernel.assign(kernel)
    got = significant_tokens(model, preprocess(), count=3)
    order = sorted(range(2, SIZE), key=lambda i: -kernel[i, 0])
    names = preprocess().vocabulary.tokens
    assert [entry.token for entry in got.positive] == [names[i] for i in order if kernel[i, 0] > 0][:3]
    assert [entry.token for entry in got.negative] == [names[i] for i in order[::-1] if kernel[i, 0] < 0][:3]
    assert got.positive[0].effect == pytest.approx(kernel[order[0], 0], abs=1e-5)
    assert (got.target, got.method) == ("pos", "weight")
    against = significant_tokens(model, preprocess(), count=3, target="neg")
    assert [entry.token for entry in against.positive] == [entry.token for entry in got.negative]


def test_a_network_that_is_not_linear_says_so():
    with pytest.raises(InputError, match="not linear"):
        significant_tokens(TextCNN(SIZE, filters=8, kernel_size=2), preprocess())


@pytest.mark.parametrize("start", [True, False])
@pytest.mark.parametrize(("classes", "multi_label"), [(1, False), (3, False), (3, True), (1, True)])
def test_occlusion_by_hand(start, classes, multi_label):
    keras.utils.set_random_seed(3)
    model = TextCNN(SIZE, classes=classes, filters=16, kernel_size=2, embedding_dim=8)
    names = ("neg", "pos") if classes == 1 and not multi_label else ("a", "b", "c")[:classes]
    prepare = preprocess(names, start=start, multi_label=multi_label)
    text = "Not good at all, an AWFUL film"

    def log_odds(words):
        logits = model(prepare(tf.constant([" ".join(words)])), training=False).numpy()[0].astype(np.float64)
        if classes == 1 or multi_label:
            p = 1 / (1 + np.exp(-logits[-1]))
        else:
            p = np.exp(logits[-1]) / np.exp(logits).sum()
        return np.log(p / (1 - p))

    words = prepare.tokens(text)
    got = occlusion(model, prepare, text, target=names[-1], batch_size=3)
    assert [entry.token for entry in got] == words == ["not", "good", "at", "all", "an", "awful", "film"]
    want = [log_odds(words) - log_odds(words[:i] + words[i + 1 :]) for i in range(len(words))]
    np.testing.assert_allclose([entry.effect for entry in got], want, atol=2e-5)


def test_occlusion_stays_within_what_the_model_saw():
    model = TextCNN(SIZE, filters=4, kernel_size=2)
    assert len(occlusion(model, preprocess(length=5), "good bad film not at all great")) == 4
    assert occlusion(model, preprocess(), "") == []
    ids = keras.Input((6,), dtype="int32")
    x = keras.layers.Flatten()(keras.layers.Embedding(SIZE, 3)(ids))
    fixed = keras.Model(ids, keras.layers.Dense(3)(x))
    assert len(occlusion(fixed, preprocess("abc"), "good bad film not at all great")) == 5


def test_significant_tokens_are_the_means_over_the_corpus():
    keras.utils.set_random_seed(4)
    model = TextCNN(SIZE, filters=16, kernel_size=2, embedding_dim=8)
    rng = np.random.default_rng(5)
    texts = [" ".join(rng.choice([*WORDS, "unheard"], rng.integers(0, 8))) for _ in range(40)]
    got = significant_tokens(model, preprocess(), texts, count=50, minimum=3, batch_size=7)
    found = {}
    for text in texts:
        for entry in occlusion(model, preprocess(), text):
            found.setdefault("<oov>" if entry.token == "unheard" else entry.token, []).append(entry.effect)
    want = {token: (np.mean(effects), len(effects)) for token, effects in found.items() if len(effects) >= 3}
    entries = [*got.positive, *got.negative]
    assert {entry.token for entry in entries} == set(want)
    for entry in entries:
        assert (entry.effect, entry.count) == pytest.approx(want[entry.token], abs=1e-5)
    assert [e.effect for e in got.positive] == sorted((e.effect for e in got.positive), reverse=True)
    assert [e.effect for e in got.negative] == sorted(e.effect for e in got.negative)
    assert got.method == "leave-one-out"
    few = significant_tokens(model, preprocess(), texts, minimum=10**6)
    assert few.positive == few.negative == ()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: significant_tokens(TextCNN(SIZE), preprocess(), []), "no texts"),
        (lambda: significant_tokens(TextCNN(SIZE), preprocess(), ["good"], target="maybe"), "no class 'maybe'"),
        (lambda: significant_tokens(TextCNN(SIZE), preprocess(), ["good"], target=2), "no class 2"),
        (lambda: significant_tokens(TextCNN(SIZE, classes=3), preprocess("abc"), ["good"]), "which of the 3"),
    ],
)
def test_input_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()
