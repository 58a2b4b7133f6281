"""Hashed n-grams against Python's own integers and slices."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tfconv.data.text.ngrams import NGrams
from tfconv.data.text.tokenizer import Tokenizer
from tfconv.errors import InputError

BUCKETS = 2**20
tokenizer = Tokenizer("word", punctuation=True)


def signed(number):
    return (number + 2**63) % 2**64 - 2**63


def hashed(parts, salt, first=1, count=BUCKETS - 1):
    """The id of one n-gram."""
    value = len(parts) + salt
    for part in parts:
        value = signed(value * 0x100000001B3 + part)
    return first + (value ^ (value >> 29)) % count


def runs(parts, lengths):
    for length in range(lengths[0], lengths[1] + 1):
        yield from (parts[i : i + length] for i in range(len(parts) - length + 1))


def ids_of(text, words, characters):
    tokens = tokenizer(tf.constant([text]))[0]
    found = set()
    half = BUCKETS // 2
    of_words = (1, BUCKETS - 1) if characters is None else (1, half - 1)
    of_characters = (1, BUCKETS - 1) if words is None else (half, BUCKETS - half)
    if words is not None:
        hashes = [int(value) for value in tf.strings.to_hash_bucket_fast(tokens, 2**62).numpy()]
        hashes = [0, *hashes] if words[1] > 1 else hashes
        found |= {hashed(run, 0, *of_words) for run in runs(hashes, words) if run != [0]}
    if characters is not None:
        for token in tokens.numpy():
            points = [ord(c) for c in f" {token.decode()} "]
            found |= {hashed(run, 0x5BD1E995, *of_characters) for run in runs(points, characters)}
    return sorted(found)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("ab é映.!'\n", max_size=12), max_size=4),
    st.sampled_from([None, (1, 1), (1, 3), (2, 3)]),
    st.sampled_from([None, (1, 2), (2, 5)]),
)
@example([], (1, 3), (2, 5))
@example(["", "a", ""], (2, 3), None)
@example(["The same, the same", "the same"], (1, 3), (2, 5))
def test_ids_are_those_of_the_formula(texts, words, characters):
    if words is None and characters is None:
        return
    got = NGrams(words, characters, buckets=BUCKETS)(tf.constant(texts, tf.string))
    assert got.dtype == tf.int32
    assert got.to_list() == [ids_of(text, words, characters) for text in texts]


def test_a_text_has_the_same_ids_alone_and_in_a_traced_graph_and_bytes_that_are_no_utf8_have_some():
    ngrams = NGrams()
    texts = [b"what is it", b"is it what", b"broken \xff\xfe text", b" "]
    together = tf.function(lambda raw: ngrams(raw).to_tensor(), input_signature=[tf.TensorSpec([None], tf.string)])
    rows = [row[row > 0].tolist() for row in together(tf.constant(texts)).numpy()]
    assert rows == [ngrams(tf.constant([text]))[0].numpy().tolist() for text in texts]
    assert rows[0] != rows[1] and len(rows[2]) > 10 and rows[3] == []
    again = NGrams(**ngrams.config())
    assert again(tf.constant(texts)).to_list() == rows


def test_listed_ngrams_are_numbered_by_their_hash_and_others_have_no_id():
    texts = ["a good film", "a bad film", "good, good film", ""]
    hashed = NGrams(buckets=2**31 - 1).encode(texts)
    counts = Counter(hashed.flat_values.numpy().tolist())
    listed = NGrams(buckets=2**31 - 1).listing(hashed.flat_values.numpy(), min_count=2)
    kept = sorted(key for key, count in counts.items() if count >= 2)
    assert listed.listed.tolist() == kept and listed.size == len(kept) + 1
    rows = [[kept.index(key) + 1 for key in row if key in kept] for row in hashed.to_list()]
    assert listed(tf.constant(texts)).to_list() == rows == listed.relisted(hashed).to_list()
    words = NGrams(characters=None, buckets=2**31 - 1)
    assert listed.word_ids - 1 == sum(key < (2**31 - 1) // 2 for key in kept)
    assert words.word_ids == words.size
    few = NGrams(buckets=2**31 - 1).listing(hashed.flat_values.numpy(), most=5)
    assert sorted(counts[key] for key in few.listed.tolist()) == sorted(counts.values())[-5:]
    assert listed(tf.constant(["zzz"])).to_list() == [[]]
    with pytest.raises(ValueError, match="listed must ascend"):
        NGrams(listed=[5, 5])


def test_names_are_those_of_the_ids_that_the_graph_gives():
    texts = ["What a film: WHAT!", "déjà vu 映画", ""]
    for ngrams in (NGrams(buckets=2**31 - 1), NGrams(None, (1, 2)), NGrams((2, 3), None)):
        for text in texts:
            assert sorted(ngrams.names([text])) == ngrams(tf.constant([text])).to_list()[0]
        names = set(ngrams.names(texts).values())
        listed = ngrams.listing(ngrams.encode(texts).flat_values.numpy())
        assert set(listed.names(texts).values()) == names and sorted(listed.names(texts)) == [*range(1, listed.size)]
    assert {"<start> what", "a film :", "déjà vu"} <= names and "<start>" not in names


def test_ids_are_spread_over_the_buckets():
    buckets, n = 1000, 40_000
    ids = NGrams((1, 2), None, buckets=buckets)(tf.constant([f"w{i} v{i * i}" for i in range(n // 4)])).flat_values
    counts = np.bincount(ids, minlength=buckets)
    assert counts[0] == 0
    expected = len(ids) / (buckets - 1)
    chi_squared = np.sum((counts[1:] - expected) ** 2 / expected)
    assert abs(chi_squared - (buckets - 2)) < 5 * (2 * (buckets - 2)) ** 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"words": None, "characters": None}, "give the lengths of one"),
        ({"words": (0, 2)}, "words must be two lengths"),
        ({"characters": (3, 2)}, r"shortest <= longest, got \(3, 2\)"),
    ],
)
def test_lengths_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        NGrams(**arguments)
    with pytest.raises(InputError, match="buckets must be a whole number from 4"):
        NGrams(buckets=1)
