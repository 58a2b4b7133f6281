"""The tokeniser against one written in plain Python, character by character, and the vocabulary against counting."""

import json
import os
import random
import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv import InputError
from tfconv.data import TextPreprocess, Tokenizer, Vocabulary, build_vocabulary, token_chunks
from tfconv.tasks import CLASSIFICATION

EMOTICON = re.compile(r"[:;=][-^']?(?:[()\[\]/\\|*]|[dpo](?![0-9A-Za-z_]))|<3")


def python_words(text: str, punctuation: bool) -> list[str]:
    """The rules of `Tokenizer`, by Unicode category and one scan, without its regular expressions."""
    text = re.sub(r"</?[a-zA-Z][^<>]*>", " ", "".join(map(lower, text)))
    text = "".join(" " if unicodedata.category(c)[0] in "ZC" else c for c in text)
    text = text.replace("‘", "'").replace("’", "'")
    pieces, i = [], 0
    while i < len(text):
        c = text[i]
        if unicodedata.category(c)[0] in "LMN" or c in "' ":
            pieces.append(c)
            i += 1
            continue
        end = i + 1
        if punctuation:
            if match := EMOTICON.match(text, i):
                end = match.end()
            elif c == "." and text[i : i + 2] == "..":
                end = i + re.match(r"\.+", text[i:]).end()
            elif c in "!?":
                end = i + re.match(r"[!?]+", text[i:]).end()
        pieces.append(f" {text[i:end]} " if punctuation else " ")
        i = end
    words = (word.strip("'") if word.strip("'") else "" for word in "".join(pieces).split())
    return [word for word in words if word]


def lower(character: str) -> str:
    return character.lower()


def graph_words(texts: list[str], punctuation: bool) -> list[list[str]]:
    tokens = Tokenizer(punctuation=punctuation)(tf.constant(texts))
    return [[token.decode() for token in row] for row in tokens.to_list()]


TRICKY = [
    "Don't 'stop' rock 'n' roll's ' x'",
    "<br />It's :) :-( <3 ?! ... l’été note:don't :d a<b 8/10\xa0x",
    "",
    "''",
    "ÀÉÎ straße naïve 電影 фильм e\u0301tude",
    "well-made... (really!!) \x96 no",
    ":-D :'( =) ;-) http://x.y",
    "'tis the '90s' best",
]


@pytest.mark.parametrize("punctuation", [False, True])
def test_words_equal_a_plain_scan(punctuation):
    for text, words in zip(TRICKY, graph_words(TRICKY, punctuation), strict=True):
        assert words == python_words(text, punctuation), text


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("aZé'’ :-()<3/>.!?,=dD\n\xa0電9"), max_size=30), st.booleans())
def test_words_equal_a_plain_scan_for_any_text(text, punctuation):
    assert graph_words([text], punctuation) == [python_words(text, punctuation)]


@pytest.mark.real_data
@pytest.mark.parametrize("punctuation", [False, True])
@pytest.mark.parametrize("count", [3_000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_words_equal_a_plain_scan_on_reviews(count, punctuation, data_directory):
    files = sorted(
        entry.path
        for split in ("train", "test")
        for label in ("pos", "neg")
        for entry in os.scandir(data_directory / "aclImdb" / split / label)
    )
    assert len(files) == 50_000
    texts = [Path(file).read_text("utf-8") for file in random.Random(0).sample(files, count)]
    for begin in range(0, count, 1000):
        part = texts[begin : begin + 1000]
        for text, words in zip(part, graph_words(part, punctuation), strict=True):
            assert words == python_words(text, punctuation), text


def test_examples_read_as_they_should():
    words = graph_words(["I don't like it... not 'good' at all :-( 8/10!!<br /><br />Bad."], True)[0]
    expected = ["i", "don't", "like", "it", "...", "not", "good", "at", "all", ":-(", "8", "/", "10", "!!", "bad", "."]
    assert words == expected
    assert graph_words(["I DON'T like it... :-("], False)[0] == ["i", "don't", "like", "it"]
    kept = Tokenizer(lowercase=False)(tf.constant(["So GOOD"]))
    assert kept.to_list() == [[b"So", b"GOOD"]]


def test_characters():
    assert Tokenizer("char")(tf.constant(["Añ 電\n"])).to_list() == [[c.encode() for c in "añ 電\n"]]
    with pytest.raises(ValueError, match="punctuation=True is for level='word'"):
        Tokenizer("char", punctuation=True)
    with pytest.raises(ValueError, match="level must be 'word' or 'char', got 'byte'"):
        Tokenizer("byte")


def test_bytes_that_are_no_text_do_not_end_the_graph():
    tokens = Tokenizer(lowercase=False)(tf.constant([b"fine \xff\xfe film", b"\xc3"])).to_list()
    assert tokens[0][0] == b"fine" and tokens[0][-1] == b"film"
    assert Tokenizer("char")(tf.constant([b"\xff"])).to_list() == [["�".encode()]]


TEXTS = ["the film is good", "the film is not good", "a film", "the end", "", "Good! the"]


def make_preprocess(length=None, start=True, size=None, level="word"):
    tokenizer = Tokenizer(level)
    chunks = list(token_chunks(TEXTS, tokenizer, size=2))
    preprocess = TextPreprocess(
        tokenizer, build_vocabulary(chunks, size), length, start=start, class_names=("neg", "pos")
    )
    return preprocess, chunks


def test_vocabulary_equals_counting():
    _, chunks = make_preprocess()
    counts = Counter(" ".join(TEXTS).replace("!", "").lower().split())
    expected = sorted(counts, key=lambda token: (-counts[token], token))
    assert build_vocabulary(chunks).tokens == ("", "<start>", "<oov>", *expected)
    assert build_vocabulary(chunks, 6).tokens[3:] == tuple(expected[:3])
    assert build_vocabulary(chunks, min_count=3).tokens[3:] == tuple(t for t in expected if counts[t] >= 3)


def test_vocabulary_refuses():
    _, chunks = make_preprocess()
    with pytest.raises(ValueError, match="vocabulary_size must be above 3"):
        build_vocabulary(chunks, 3)
    with pytest.raises(InputError, match="hold no word"):
        build_vocabulary(token_chunks(["", " . "], Tokenizer()))
    with pytest.raises(ValueError, match="'a' twice"):
        Vocabulary(["a", "b", "a"])


@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize("length", [None, 1, 3, 10])
@pytest.mark.parametrize("level", ["word", "char"])
def test_encode_equals_the_graph(start, length, level):
    preprocess, _ = make_preprocess(length, start, 12, level)
    encoded = preprocess.encode(TEXTS)
    direct = preprocess(tf.constant(TEXTS))
    np.testing.assert_array_equal(encoded.to_tensor(0), direct)
    expected = []
    for text in TEXTS:
        tokens = [t.decode() for t in preprocess.tokenizer(tf.constant([text]))[0].numpy()]
        known = preprocess.vocabulary.tokens
        ids = [1] * start + [known.index(t) if t in known else 2 for t in tokens]
        expected.append(ids[:length])
    assert encoded.to_list() == expected


def test_padding_and_width():
    preprocess, _ = make_preprocess(3, start=False)
    assert preprocess(tf.constant(["", ""])).shape == (2, 1)
    np.testing.assert_array_equal(preprocess(tf.constant([""]), pad_to=5), [[0] * 5])
    assert preprocess(tf.constant(["the film is good"]), pad_to=5).numpy()[0, 3:].tolist() == [0, 0]
    assert preprocess(tf.zeros([0], tf.string)).shape[0] == 0


def test_decode_undoes_encode():
    preprocess, _ = make_preprocess()
    ids = preprocess(tf.constant(["The film is GREAT"])).numpy()[0]
    assert preprocess.decode([*ids, 0, 0]) == "the film is <oov>"
    characters, _ = make_preprocess(level="char")
    assert characters.decode(characters(tf.constant(["a film"])).numpy()[0]) == "a film"
    assert preprocess.tokens("The film!") == ["the", "film"]


@pytest.mark.parametrize("level", ["word", "char"])
def test_saved_preprocess_is_equal(tmp_path, level):
    preprocess, _ = make_preprocess(4, level=level)
    preprocess.save(tmp_path)
    loaded = TextPreprocess.load(tmp_path)
    np.testing.assert_array_equal(loaded(tf.constant(TEXTS)), preprocess(tf.constant(TEXTS)))
    assert loaded.class_names == ("neg", "pos") and loaded.length == 4 and loaded.task is CLASSIFICATION


def test_load_names_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="text.json is missing"):
        TextPreprocess.load(tmp_path)
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(InputError, match="no readable text preprocessing"):
        TextPreprocess.load(tmp_path)


BAD_TEXT = {
    "a number": (lambda text: 3, "text.json lacks tokenizer or length"),
    "a list": (lambda text: [], "text.json lacks"),
    "no tokenizer": (lambda text: text | {"tokenizer": 1}, "text.json lacks"),
    "length 2.5": (lambda text: text | {"length": 2.5}, "text.json: length must be a whole number .* got 2.5"),
    "length 10**30": (lambda text: text | {"length": 10**30}, r"length must be .* to 2147483647 \(2\*\*31 - 1\)"),
    "start": (lambda text: text | {"start": "no"}, "start must be true or false"),
    "class names": (lambda text: text | {"class_names": "ab"}, "class_names is no list of strings"),
    "level": (lambda text: text | {"tokenizer": {"level": []}}, "level must be 'word' or 'char'"),
    "unknown": (lambda text: text | {"colour": 1}, "colour"),
}


@pytest.mark.parametrize("change, message", BAD_TEXT.values(), ids=BAD_TEXT)
def test_load_refuses_another_text_json(tmp_path, change, message):
    make_preprocess(4)[0].save(tmp_path)
    text = json.loads((tmp_path / "text.json").read_text())
    (tmp_path / "text.json").write_text(json.dumps(change(text)))
    with pytest.raises(InputError, match=f"holds no readable text preprocessing: .*{message}"):
        TextPreprocess.load(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", '"abc"', '["a", 1]', "null", "[" * 100_000, '["a", "b"', "\udcff"])
def test_load_refuses_another_vocabulary(tmp_path, content):
    make_preprocess()[0].save(tmp_path)
    (tmp_path / "vocabulary.json").write_text(content, "utf-8", "surrogateescape")
    with pytest.raises(InputError, match="holds no readable text preprocessing: .*; copy the folder anew, or train"):
        TextPreprocess.load(tmp_path)


def test_load_notices_a_vocabulary_cut_short(tmp_path):
    preprocess, _ = make_preprocess()
    preprocess.save(tmp_path)
    text = json.loads((tmp_path / "text.json").read_text())
    assert text["vocabulary_size"] == len(preprocess.vocabulary) == 10
    (tmp_path / "vocabulary.json").write_text(json.dumps(preprocess.vocabulary.tokens[3:-1]))
    with pytest.raises(InputError, match="vocabulary.json has 6 tokens and text.json says 10 with the 3 special ones"):
        TextPreprocess.load(tmp_path)
    del text["vocabulary_size"]  # as written before there was one
    (tmp_path / "text.json").write_text(json.dumps(text))
    assert len(TextPreprocess.load(tmp_path).vocabulary) == 9
