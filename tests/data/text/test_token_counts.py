"""Counting in bounded memory against `collections.Counter`."""

from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from tfconv import InputError
from tfconv.data import Tokenizer, build_vocabulary, token_chunks
from tfconv.data.text import token_counts as module
from tfconv.data.text.token_counts import TokenCounts

# Batches of (token, count): few tokens that come often, many that come once, in any order.
BATCHES = st.lists(st.lists(st.tuples(st.integers(0, 60) | st.integers(0, 5), st.integers(1, 9)), max_size=30))


def count(batches, limit):
    """Count batches both ways; the limit must hold after each."""
    counts, exact = TokenCounts(limit), Counter()
    for batch in batches:
        different = Counter()
        for token, number in batch:
            different[b"%d" % token] += number
        counts.add(list(different), list(different.values()))
        exact.update(different)
        assert limit is None or len(counts) <= limit
    return counts, exact


@settings(max_examples=300, deadline=None)
@given(batches=BATCHES, limit=st.integers(2, 40))
def test_errors_stay_within_the_bound(batches, limit):
    counts, exact = count(batches, limit)
    held = dict(counts)
    assert counts.total == exact.total()
    assert counts.error <= counts.total / (limit // 2 + 1)  # Agarwal et al. 2013
    for token, number in exact.items():
        assert number - counts.error <= held.get(token, 0) <= number
    if len(exact) <= limit:
        assert held == exact and counts.error == 0


@settings(max_examples=50, deadline=None)
@given(batches=BATCHES)
def test_without_a_limit_it_is_a_counter(batches):
    counts, exact = count(batches, None)
    assert dict(counts) == exact and counts.error == 0


def test_a_batch_far_above_the_limit_is_taken_in_pieces(monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 7)
    longest = 0

    class Watched(TokenCounts):
        def _prune(self, kept):
            nonlocal longest
            longest = max(longest, len(self))
            super()._prune(kept)

    counts = Watched(10)
    counts.add([b"%d" % (number % 500) for number in range(5000)], [1] * 5000)
    assert longest <= 17 and len(counts) <= 10 and counts.total == 5000


def test_frequent_words_are_counted_exactly_among_any_number_of_rare_ones():
    rng = np.random.default_rng(0)
    words, exact, counts = rng.zipf(1.3, size=40 * 500).reshape(40, 500), Counter(), TokenCounts(2000)
    for number, part in enumerate(words):
        tokens = [b"%d" % word for word in part if word < 10**6] + [b"rare %d %d" % (number, i) for i in range(300)]
        batch = Counter(tokens)
        exact.update(batch)
        counts.add(list(batch), list(batch.values()))
    assert len(exact) > 6 * 2000 and 0 < counts.error <= counts.total / 1001
    held = dict(counts)
    assert all(held[token] == number for token, number in exact.most_common(30))


@pytest.mark.parametrize("distinct", [None, 1000])
def test_a_vocabulary_that_fits_is_the_exact_one_in_the_same_order(distinct):
    texts = [f"w{i % 7} w{i % 11} w{i % 101} only{i}" for i in range(400)]
    exact = Counter(word for text in texts for word in text.split())
    for size, least in ((None, 1), (60, 1), (None, 3)):
        kept = sorted((-number, word) for word, number in exact.items() if number >= least)
        vocabulary = build_vocabulary(
            token_chunks(texts, Tokenizer(), size=32), size, min_count=least, distinct=distinct
        )
        assert vocabulary.tokens[3:] == tuple(word for _, word in kept[: None if size is None else size - 3])


def test_a_vocabulary_of_more_words_than_are_held_keeps_the_frequent_ones():
    texts = [f"the film was w{i % 5} only{i}" for i in range(3000)]
    vocabulary = build_vocabulary(token_chunks(texts, Tokenizer(), size=64), 11, distinct=200)
    assert vocabulary.tokens[3:] == ("film", "the", "was", "w0", "w1", "w2", "w3", "w4")


def test_a_limit_must_leave_room():
    for limit in (1, 0, -3, 2.5):
        with pytest.raises(InputError, match="limit must be a whole number from 2"):
            TokenCounts(limit)
