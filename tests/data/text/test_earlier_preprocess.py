"""Data prepared with the preprocessing of an earlier run: its words, its statistics, the classes of the new data."""

import numpy as np
import pytest

from tfconv import InputError
from tfconv.data import synthetic_reviews, synthetic_shapes
from tfconv.data.text.dataset import TextData, TextExamples


def test_texts_keep_the_earlier_vocabulary():
    texts = ["good film and new words", "bad film", "a good one"]
    other = TextData("other", ("x", "y", "z"), {"train": TextExamples(texts, np.arange(3, dtype="int32"))})
    earlier = synthetic_reviews(200).prepare(length=7, punctuation=True, vocabulary_size=40).preprocess
    data = other.prepare(preprocess=earlier, length=99, level="char", batch_size=3)
    assert data.preprocess.vocabulary is earlier.vocabulary and data.preprocess.class_names == ("x", "y", "z")
    assert data.preprocess.length == 7 and data.preprocess.tokenizer is earlier.tokenizer
    ids, labels = next(iter(data.batches("train")))
    np.testing.assert_array_equal(ids, earlier(texts, pad_to=7))
    np.testing.assert_array_equal(labels, [0, 1, 2])
    only_test = TextData("other", ("x", "y", "z"), {"test": other.examples["train"]})
    np.testing.assert_array_equal(next(iter(only_test.prepare(preprocess=earlier).test))[0], ids)


def test_images_keep_the_earlier_statistics_and_crop():
    earlier = synthetic_shapes(100, size=20).prepare(crop=16).preprocess
    data = synthetic_shapes(100, seed=9, size=20).prepare(preprocess=earlier, batch_size=4)
    assert (data.preprocess.mean, data.preprocess.std) == (earlier.mean, earlier.std)
    assert data.image_shape == (16, 16, 3)
    pixels = data.examples["test"].pixels[:4]
    np.testing.assert_array_equal(next(iter(data.test))[0], earlier.normalize(pixels))
    with pytest.raises(InputError, match="20x20x3, got 24x24x3"):
        _ = synthetic_shapes(100, size=24).prepare(preprocess=earlier).preprocess
