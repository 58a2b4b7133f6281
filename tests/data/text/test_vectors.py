import gzip
import time
import zipfile

import numpy as np
import pytest

from tfconv import InputError
from tfconv.data import read_vectors

VOCABULARY = ["", "<start>", "<oov>", "the", "naïve", ". . .", "absent"]
VECTORS = {"the": [1.5, -2, 3e-2], "naïve": [0.25, 0, 1], ". . .": [4, 5, 6], "unused": [7, 7, 7]}


def lines(vectors=VECTORS):
    return "".join(f"{word} {' '.join(map(str, numbers))}\n" for word, numbers in vectors.items()).encode()


def write(path, content):
    path.write_bytes(content)
    return path


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_zip_flags(path, compression=0, flags=0):
    """A zip file whose member says another compression, or that it is encrypted."""
    content = bytearray(write_zip(path, {"v.txt": lines()}).read_bytes())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = content.index(mark) + place
        content[start] |= flags
        content[start + 2] = compression or content[start + 2]
    return write(path, bytes(content))


def check(found):
    assert found.matrix.dtype == np.float32 and found.matrix.shape == (7, 3)
    assert (found.found, found.summary()) == (3, "loaded 3/4 words")
    for index, word in ((3, "the"), (4, "naïve"), (5, ". . .")):
        assert np.allclose(found.matrix[index], VECTORS[word], rtol=1e-7)
    assert not found.matrix[0].any()
    for index in (1, 2, 6):
        assert 0 < np.abs(found.matrix[index]).max() < 0.6


def test_plain_gz_zip_and_word2vec(tmp_path):
    check(read_vectors(write(tmp_path / "v.txt", lines()), VOCABULARY))
    check(read_vectors(write(tmp_path / "v.txt.gz", gzip.compress(lines())), VOCABULARY, 3))
    check(read_vectors(write_zip(tmp_path / "one.zip", {"v.txt": lines()}), VOCABULARY))
    several = {"glove.2d.txt": b"the 1 2\n", "glove.3d.txt": lines()}
    check(read_vectors(write_zip(tmp_path / "many.zip", several), VOCABULARY, 3))
    word2vec = b"4 3\n" + lines().replace(b"\n", b" \n")
    check(read_vectors(write(tmp_path / "w2v.txt", word2vec), VOCABULARY))
    check(read_vectors(write(tmp_path / "bom.txt", b"\xef\xbb\xbf" + lines().replace(b"\n", b"\r\n")), VOCABULARY))


def test_rows_of_absent_words_are_seeded_and_small(tmp_path):
    path = write(tmp_path / "v.txt", lines())
    words = ["", *(f"word{i}" for i in range(4000))]
    first, second, other = (read_vectors(path, words, seed=seed).matrix for seed in (0, 0, 1))
    assert np.array_equal(first, second) and not np.array_equal(first, other)
    assert abs(first[1:].std() - 0.1) < 0.003 and abs(first[1:].mean()) < 0.005
    assert read_vectors(path, words).summary() == "loaded 0/4,000 words"


def test_the_first_of_two_lines_of_a_word_counts(tmp_path):
    found = read_vectors(write(tmp_path / "v.txt", b"the 1 2\nthe 3 4\n"), ["", "the"])
    assert found.matrix[1].tolist() == [1, 2] and found.found == 1


@pytest.mark.parametrize(
    "name, content, width, message",
    [
        ("v.txt", lines() + b"more 1 2\n", None, "v.txt line 5: 2 numbers where the width is 3; mend it or give"),
        ("v.txt", lines() + b"more 1 2 3 4\n", None, "v.txt line 5: 4 numbers where the width is 3"),
        ("v.txt", lines(), 50, "v.txt line 1: 3 numbers where the width is 50"),
        ("v.txt", lines(), 2, "v.txt line 1: 3 numbers where the width is 2"),
        ("v.txt", b"4 3\n" + lines(), 5, "v.txt line 1: embedding dimension 3, and width=5"),
        ("v.txt", b"9 3\n" + lines(), None, "v.txt has 4 words where line 1 says 9; get the file anew"),
        ("v.txt", b"the 1 x 2\n", 3, "v.txt line 1: could not convert .*'x'"),
        ("v.txt", b"the 1 nan 2\n", 3, "v.txt line 1: a number is not finite"),
        ("v.txt", b"the 1 1e39 2\n", 3, "v.txt line 1: a number is not finite in float32; mend the line"),
        ("v.txt", b"1 0\nthe\n", None, r"v.txt line 1: no counts of words and numbers \(1 0\); get the file anew"),
        ("v.txt", b"1 " + b"9" * 5000 + b"\nthe 1\n", None, r"v.txt line 1: no counts .* \(1 9{20}\); get"),
        ("v.txt", b"9" * 5000 + b" 3\n" + lines(), None, r"v.txt line 1: no counts .* \(9{20} 3\); get"),
        ("v.txt", b"the\n", None, "v.txt line 1: no word and numbers; give word vectors in GloVe's text format"),
        ("v.txt", lines() + b"caf\xe9 1 2 3\n", None, r"v.txt line 5: not UTF-8 \(byte 0xe9\); give the text format"),
        ("v.txt", b"", None, "v.txt is empty"),
        ("v.txt", b"4 3\n", None, "v.txt is empty"),
        ("v.txt.gz", gzip.compress(lines(), mtime=0)[:-12], None, "v.txt.gz cannot be read .*; check the path, or get"),
        ("v.txt.gz", lines(), None, "v.txt.gz cannot be read .*gzip"),
        ("v.zip", lines(), None, "v.zip cannot be read .*zip"),
    ],
)
def test_bad_files_have_one_line(tmp_path, name, content, width, message):
    path = write(tmp_path / name, content)
    with pytest.raises(InputError, match=message) as error:
        read_vectors(path, VOCABULARY, width)
    assert "\n" not in str(error.value)


def test_zip_files_of_several_and_nothing_there(tmp_path):
    path = write_zip(tmp_path / "many.zip", {"glove.2d.txt": "the 1 2\n", "glove.3d.txt": lines()})
    with pytest.raises(InputError, match=r"holds 2 files \(glove.2d.txt, glove.3d.txt\); choose by width="):
        read_vectors(path, VOCABULARY)
    damaged = bytearray(path.read_bytes())
    damaged[45:50] = b"xxxxx"
    with pytest.raises(InputError, match="bad.zip cannot be read"):
        read_vectors(write(tmp_path / "bad.zip", bytes(damaged)), VOCABULARY, 2)
    for name, change in (("encrypted", {"flags": 1}), ("compression", {"compression": 99})):
        path = write_zip_flags(tmp_path / "odd.zip", **change)
        with pytest.raises(InputError, match=f"odd.zip cannot be read .*{name}.*; unpack it and give the file in it"):
            read_vectors(path, VOCABULARY)
    with pytest.raises(InputError, match=r"none.txt cannot be read \(No such file"):
        read_vectors(tmp_path / "none.txt", VOCABULARY)
    with pytest.raises(ValueError, match="must begin with the padding token"):
        read_vectors(tmp_path / "many.zip", ["the"])


def test_400_000_words_of_50_numbers_take_less_than_15_seconds(tmp_path):
    numbers = [f"{value:.5f}" for value in np.random.default_rng(0).normal(size=1000)]
    with open(tmp_path / "v.txt", "w") as file:
        for i in range(400_000):
            start = i % 950
            file.write(f"word{i} {' '.join(numbers[start : start + 50])}\n")
    words = ["", *(f"word{i * 13}" for i in range(30_000))]
    before = time.perf_counter()
    found = read_vectors(tmp_path / "v.txt", words, 50)
    assert time.perf_counter() - before < 15
    assert found.found == 30_000
    assert np.allclose(found.matrix[3], [float(x) for x in numbers[26:76]])


@pytest.mark.real_data
def test_vectors_made_on_the_reviews(data_directory):
    found = read_vectors(data_directory / "imdb.w2v.50d.txt", ["", "good", "great", "banana", "<oov>"])
    assert found.summary() == "loaded 3/3 words"
    good, great, banana = found.matrix[1:4] / np.linalg.norm(found.matrix[1:4], axis=1, keepdims=True)
    assert good @ great > good @ banana
