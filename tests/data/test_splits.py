import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfconv import InputError
from tfconv.data.splits import stratified_split

fractions = st.floats(0, 0.99, allow_subnormal=False)
single = st.lists(st.integers(0, 6), max_size=80).map(lambda values: np.array(values, np.int32))
several = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=60)
)


def is_partition(count, kept, held):
    return np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(count))


@given(single, fractions, st.integers(0, 5))
def test_classes_keep_their_share_and_an_example_to_train_on(labels, fraction, seed):
    kept, held = stratified_split(labels, fraction, seed=seed)
    assert is_partition(len(labels), kept, held)
    assert (np.diff(kept) > 0).all() and (np.diff(held) > 0).all()
    for label in np.unique(labels):
        count, out = (labels == label).sum(), (labels[held] == label).sum()
        assert abs(out - fraction * count) <= 1
        assert out < count
    again = stratified_split(labels, fraction, seed=seed)
    assert np.array_equal(again[1], held)


@given(several, fractions, st.integers(0, 5))
def test_several_labels_partition_and_keep_an_example_to_train_on(rows, fraction, seed):
    labels = np.array(rows, np.float32)
    kept, held = stratified_split(labels, fraction, seed=seed)
    assert is_partition(len(labels), kept, held)
    there = labels.any(axis=0)
    assert (labels[kept].any(axis=0) == there).all()
    assert np.array_equal(stratified_split(labels, fraction, seed=seed)[1], held)


def test_the_number_held_out_is_exact_where_classes_are_large():
    labels = np.repeat([0, 1, 2], [333, 333, 334])
    _, held = stratified_split(labels, 0.1)
    assert len(held) == 100
    assert set(np.bincount(labels[held])) <= {33, 34}


def test_seeds_differ_and_small_data_hold_out_one():
    labels = np.arange(100) % 2
    assert not np.array_equal(stratified_split(labels, 0.3, seed=1)[1], stratified_split(labels, 0.3, seed=2)[1])
    assert len(stratified_split(np.array([0, 0, 1, 1]), 0.1)[1]) == 1
    assert len(stratified_split(np.array([[1.0], [1.0], [0.0]]), 0.1)[1]) == 1
    assert len(stratified_split(np.array([0, 1, 2]), 0.5)[1]) == 0


def test_several_labels_are_held_out_in_proportion():
    rng = np.random.default_rng(0)
    shares = np.array([0.5, 0.2, 0.05, 0.01, 0.003])
    labels = (rng.random((5000, 5)) < shares).astype(np.float32)
    _, held = stratified_split(labels, 0.1)
    expected = 0.1 * labels.sum(axis=0)
    assert np.abs(labels[held].sum(axis=0) - expected).max() <= 0.05 * expected[0]
    assert np.abs(labels[held].sum(axis=0) - expected)[2:].max() <= 2
    assert abs(len(held) - 500) <= 25


def test_many_rare_labels_are_not_all_kept():
    labels = np.repeat(np.eye(200, dtype=np.float32), 3, axis=0)
    assert abs(len(stratified_split(labels, 0.1)[1]) - 60) <= 2


@pytest.mark.parametrize("fraction", [1, -0.1, 2, float("nan"), "0.1", True])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(InputError, match="from 0 .none. to less than 1"):
        stratified_split(np.array([0, 1]), fraction)
