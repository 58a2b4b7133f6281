import re
from collections import Counter

import numpy as np
import pytest

import tfconv.data
from tfconv import InputError
from tfconv.data.sets import synthetic

ACCEPTED_BAG = 0.80
ACCEPTED_CONVOLUTION = 0.97


def words(text):
    return re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.lower())


def counts_matrix(examples, vocabulary, length):
    """How often each run of `length` words of the vocabulary occurs: float (n, features)."""
    index = {gram: column for column, gram in enumerate(vocabulary)}
    matrix = np.zeros((len(examples), len(index)), np.float32)
    for row, text in enumerate(examples.texts):
        for gram in grams(text, length):
            if gram in index:
                matrix[row, index[gram]] += 1
    return matrix


def grams(text, length):
    tokens = words(text)
    return [tuple(tokens[i : i + length]) for i in range(len(tokens) - length + 1)]


def logistic_accuracy(data, length):
    """Test accuracy of a logistic regression on counts, by gradient descent on standardised features."""
    train, test = data.examples["train"], data.examples["test"]
    counts = Counter(gram for text in train.texts for gram in grams(text, length))
    vocabulary = sorted(gram for gram, count in counts.items() if count >= 8)
    x, z = (counts_matrix(part, vocabulary, length) for part in (train, test))
    mean, spread = x.mean(axis=0), x.std(axis=0) + 0.05
    x, z, y = (x - mean) / spread, (z - mean) / spread, train.labels.astype(np.float32)
    steepest = x[:, 0] * 0 + 1  # power iteration: the largest curvature decides the step
    for _ in range(20):
        steepest = x @ (x.T @ (steepest / np.linalg.norm(steepest)))
    rate = np.float32(4 * len(y) / np.linalg.norm(steepest))
    weights, bias = np.zeros(x.shape[1], np.float32), np.float32(0)
    for _ in range(150):
        error = 1 / (1 + np.exp(-(x @ weights + bias))) - y
        weights -= rate * (x.T @ error / len(y))
        bias -= error.mean()
    return ((z @ weights + bias > 0) == test.labels).mean()


def test_a_bag_of_words_is_near_chance_and_pairs_of_words_are_not():
    data = tfconv.data.synthetic_reviews(4000, seed=0)
    assert logistic_accuracy(data, 1) < 0.6 < ACCEPTED_BAG
    # The same method on pairs of words, so that a bug in it cannot pass for a result.
    assert logistic_accuracy(tfconv.data.synthetic_reviews(1500), 2) > 0.9


def test_counts_of_words_do_not_depend_on_the_label():
    """Words of the two classes come from one distribution: no frequent word is further off than chance allows."""
    data = tfconv.data.synthetic_reviews(8000, seed=1, validation=0, test=0)
    train = data.examples["train"]
    by_class = [Counter(), Counter()]
    for text, label in zip(train.texts, train.labels, strict=True):
        by_class[label].update(set(words(text)))
    off = []
    for word in by_class[0] | by_class[1]:
        negative, positive = by_class[0][word], by_class[1][word]
        off.append(abs(positive - negative) / np.sqrt(positive + negative))
    assert max(off) < 4.5


def window_reader(text):
    """A rule that sees five words at a time: an opinion word, turned round by a negation up to two words before."""
    votes = 0
    for *before, word in windows(text):
        sign = (word in synthetic._GOOD) - (word in synthetic._BAD)
        votes += -sign if set(before[-2:]) & set(synthetic._NEGATED) else sign
    return votes > 0


def windows(text):
    tokens = [""] * 4 + words(text)
    return [tokens[i : i + 5] for i in range(len(tokens) - 4)]


def test_the_label_can_be_read_in_windows_of_words():
    data = tfconv.data.synthetic_reviews(2000, seed=2)
    for part in data.examples.values():
        assert [window_reader(text) for text in part.texts] == part.labels.astype(bool).tolist()


def test_a_convolution_learns_it():
    import keras

    keras.utils.set_random_seed(0)
    data = tfconv.data.synthetic_reviews(4000, seed=0)
    train, test = data.examples["train"], data.examples["test"]
    index = {word: i for i, word in enumerate(sorted({word for text in train.texts for word in words(text)}), 2)}

    def ids(texts):
        rows = [[index.get(word, 1) for word in words(text)] for text in texts]
        return np.array([row + [0] * (48 - len(row)) for row in rows], np.int32)

    model = keras.Sequential(
        [
            keras.layers.Embedding(len(index) + 2, 32),
            keras.layers.Conv1D(32, 4, activation="relu"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(5e-3), keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False)
    model.fit(ids(train.texts), train.labels, batch_size=64, epochs=3, verbose=0)
    logits = np.asarray(model(ids(test.texts)))[:, 0]
    assert ((logits > 0) == test.labels).mean() > ACCEPTED_CONVOLUTION


def test_balance_lengths_seeds_and_letters():
    data = tfconv.data.synthetic_reviews(1001, seed=5)
    assert {split: len(part) for split, part in data.examples.items()} == {"train": 701, "validation": 100, "test": 200}
    for part in data.examples.values():
        assert abs(np.bincount(part.labels) - len(part) / 2).max() <= 1
    texts = [text for part in data.examples.values() for text in part.texts]
    assert all(10 <= len(text.split()) <= 40 for text in texts)
    assert len(set(texts)) > 990
    joined = " ".join(texts)
    assert all(part in joined for part in ("'", "’", "é", "🎬", "not ", "hardly ", "at all"))
    again, other = tfconv.data.synthetic_reviews(1001, seed=5), tfconv.data.synthetic_reviews(1001, seed=6)
    assert again.examples["train"].texts == data.examples["train"].texts
    assert again.examples["train"].labels.tolist() == data.examples["train"].labels.tolist()
    assert other.examples["train"].texts != data.examples["train"].texts


def test_arguments_out_of_range():
    with pytest.raises(InputError, match="at least 10 reviews; got 3"):
        tfconv.data.synthetic_reviews(3)
    with pytest.raises(InputError, match="leave a tenth to train on"):
        tfconv.data.synthetic_reviews(validation=0.5, test=0.5)
    assert list(tfconv.data.synthetic_reviews(10, validation=0, test=0).examples) == ["train"]
