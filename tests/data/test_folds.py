"""Folds against their definition: each example held out once, classes in their shares, vocabulary of the rest."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_images import three_classes

from tfconv import InputError
from tfconv.data import TextData, TextExamples, stratified_folds, synthetic_reviews

single = st.lists(st.integers(0, 6), min_size=2, max_size=80).map(lambda values: np.array(values, np.int32))
several = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=2, max_size=60)
)


def check_partition(folds, count):
    assert np.array_equal(np.sort(np.concatenate(folds)), np.arange(count))
    assert all((np.diff(fold) > 0).all() and len(fold) for fold in folds)


@given(single, st.integers(2, 9), st.integers(0, 5))
def test_each_index_is_held_out_once_and_classes_differ_by_at_most_one(labels, k, seed):
    k = min(k, len(labels))
    folds = stratified_folds(labels, k, seed)
    assert len(folds) == k
    check_partition(folds, len(labels))
    counts = np.array([np.bincount(labels[fold], minlength=7) for fold in folds])
    assert (np.ptp(counts, axis=0) <= 1).all() and np.ptp(counts.sum(axis=1)) <= 1
    assert all(map(np.array_equal, folds, stratified_folds(labels, k, seed)))


@given(several, st.integers(2, 6), st.integers(0, 5))
def test_several_labels_are_dealt_once_and_leave_no_fold_empty(rows, k, seed):
    labels = np.array(rows, np.float32)
    k = min(k, len(labels))
    folds = stratified_folds(labels, k, seed)
    check_partition(folds, len(labels))
    assert all(map(np.array_equal, folds, stratified_folds(labels, k, seed)))


def test_several_labels_keep_their_shares_where_chance_does_not():
    rng = np.random.default_rng(0)
    labels = (rng.random((3000, 5)) < np.array([0.5, 0.2, 0.05, 0.01, 0.003])).astype(np.float32)
    expected = labels.sum(axis=0) / 5

    def worst(folds):
        return np.abs([labels[fold].sum(axis=0) - expected for fold in folds]).max(axis=0)

    folds = stratified_folds(labels, 5)
    by_chance = worst(np.array_split(rng.permutation(3000), 5))
    assert (worst(folds) <= 1).all() and by_chance.max() > 5
    assert max(map(len, folds)) - min(map(len, folds)) <= 12


def test_seeds_give_other_folds():
    labels = np.arange(60) % 3
    assert not np.array_equal(stratified_folds(labels, 3, 0)[0], stratified_folds(labels, 3, 1)[0])


@pytest.mark.parametrize("k", [1, 0, -2, 2.5, True, 5])
def test_a_number_of_folds_out_of_range_is_refused(k):
    with pytest.raises(InputError, match="the number of folds must be"):
        stratified_folds(np.array([0, 1, 0, 1]), k)


def texts_of(data, *splits):
    return Counter(text for split in splits for text in data.examples[split].texts)


@pytest.mark.parametrize("held_out", ["validation", "test"])
def test_folds_of_texts_hold_out_every_text_once(held_out):
    data = synthetic_reviews(150, validation=0.2, test=0.2)
    every = texts_of(data, "train", "validation")
    folds = [data.fold(i, 4, seed=3, held_out=held_out) for i in range(4)]
    assert sum((texts_of(fold, held_out) for fold in folds), Counter()) == every
    for fold in folds:
        assert list(fold.examples) == ["train", "validation", "test"]
        if held_out == "validation":
            assert fold.examples["test"] is data.examples["test"]
            assert texts_of(fold, "train", "validation") == every
        else:
            assert texts_of(fold, "train", "validation", "test") == every
            kept, checked = (len(fold.examples[split]) for split in ("train", "validation"))
            assert abs(checked - 0.25 * (kept + checked)) <= 0.5  # of 120, 30 were for validation
        pairs = dict(zip(data.examples["train"].texts, data.examples["train"].labels, strict=True))
        held = fold.examples[held_out]
        assert all(pairs.get(text, label) == label for text, label in zip(held.texts, held.labels, strict=True))


def test_the_vocabulary_is_of_the_fold_s_own_train_part():
    texts = [f"common word{i}" for i in range(12)]
    examples = TextExamples(texts, (np.arange(12) % 2).astype(np.int32))
    data = TextData("t", ("a", "b"), {"train": examples}).prepare(punctuation=False)
    assert len(data.preprocess.vocabulary) == 3 + 13
    for i in range(3):
        fold = data.fold(i, 3)
        known = set(fold.preprocess.vocabulary.tokens)
        assert known >= {text.split()[1] for text in fold.examples["train"].texts}
        assert not known & {text.split()[1] for text in fold.examples["validation"].texts}
        assert "validation" not in data.fold(i, 3, held_out="test").examples  # there was none
    assert all(one is two for one, two in zip(data.examples["train"].texts, texts, strict=True))


def test_folds_of_images_share_the_store_and_take_their_own_statistics():
    data = three_classes()
    seen = []
    for i in range(3):
        fold = data.fold(i, 3, seed=1)
        assert all(part.store is data.examples["train"].store for part in fold.examples.values())
        seen += fold.examples["validation"].images(np.arange(len(fold.examples["validation"])))[:, 0, 0, 0].tolist()
        pixels = fold.examples["train"].pixels.reshape(-1, 3) / 255
        np.testing.assert_allclose(fold.preprocess.mean, pixels.mean(axis=0), rtol=1e-6)
    numbers = [data.examples[split].pixels[:, 0, 0, 0].tolist() for split in ("train", "validation")]
    assert sorted(seen) == sorted(sum(numbers, []))


@pytest.mark.parametrize(("held_out", "pooled"), [("validation", ("train", "validation")), ("test", None)])
def test_resplit_draws_the_same_shares_anew(held_out, pooled):
    data = synthetic_reviews(100, validation=0.2, test=0.1)
    again = data.resplit(7, held_out=held_out)
    assert [len(part) for part in again.examples.values()] == [len(part) for part in data.examples.values()]
    assert texts_of(again, *(pooled or again.examples)) == texts_of(data, *(pooled or data.examples))
    assert texts_of(again, held_out) != texts_of(data, held_out)
    assert (held_out == "test") == (texts_of(again, "test") != texts_of(data, "test"))
    assert texts_of(data.resplit(7, held_out=held_out), held_out) == texts_of(again, held_out)
    assert texts_of(data.resplit(8, held_out=held_out), held_out) != texts_of(again, held_out)
    np.testing.assert_array_equal(again.examples[held_out].class_counts(2), data.examples[held_out].class_counts(2))


def test_folds_refuse_what_they_cannot_hold_out():
    data = synthetic_reviews(40, validation=0, test=0)
    for index in (3, -1, True):
        with pytest.raises(InputError, match="the fold must be from 0 to 2"):
            data.fold(index, 3)
    with pytest.raises(InputError, match="at most that of the examples, 40; got 41"):
        data.fold(0, 41)
    with pytest.raises(InputError, match="has no validation split to draw anew"):
        data.resplit(0)
    bare = TextData("t", ("a", "b"), {"test": data.examples["train"]})
    with pytest.raises(InputError, match="no split 'train' to hold examples out of"):
        bare.fold(0, 2)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_folds_of_a_seed_go_by_it_alone(seed):
    data = synthetic_reviews(30)
    assert texts_of(data.fold(1, 3, seed=seed), "train") == texts_of(data.fold(1, 3, seed=seed), "train")
