"""Files that are not CIFAR-10's, by accident or by design: one clear line each, and nothing is run."""

import pickle
import struct

import pytest
from cifar10_files import (
    COUNT,
    GLOBALS,
    LABELS,
    NAMES,
    PIXELS,
    array,
    batch,
    binary,
    dumped,
    pickled,
    py2,
    tarball,
    write,
)
from folder_contents import listed

import tfconv.data
from tfconv import InputError
from tfconv.data.sets import cifar10 as cifar10_images


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(cifar10_images, "PER_FILE", COUNT)


PLANTED = {
    "posix.system": b"cposix\nsystem\n(U{length}touch {marker}tR",
    "os.system": b"cos\nsystem\n(U{length}touch {marker}tR",
    "builtins.eval": b"cbuiltins\neval\n(U{length}touch {marker}tR",
    "numpy.load": b"cnumpy\nload\n(U{length}touch {marker}tR",
    "numpy.ndarray.__new__": b"\x8c\x05numpy\x8c\x0fndarray.__new__\x93(tR",
    "_codecs.encode": b"c_codecs\nencode\n(tR",
    "numpy.core.multiarray.fromfile": b"cnumpy.core.multiarray\nfromfile\n(tR",
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_call_is_refused_and_not_run(tmp_path, name):
    marker = tmp_path / "ran"
    call = PLANTED[name].replace(b"{marker}", str(marker).encode())
    call = call.replace(b"{length}", bytes([len(f"touch {marker}")]))
    for file in ("data_batch_3", "batches.meta"):
        planted = {file: b"\x80\x04}(U\x04data" + call + b"u."}
        folder = write(tmp_path / "cifar-10-batches-py", pickled() | planted)
        with pytest.raises(InputError) as error:
            tfconv.data.cifar10(tmp_path, validation=COUNT)
        message = str(error.value)
        assert f"{folder / file} asks for {name}, which no file of CIFAR-10 needs and which was not run" in message
        assert "\n" not in message and not marker.exists()


def test_the_planted_call_would_run_elsewhere(tmp_path):
    """Else the test above could not fail."""
    command = f"touch {tmp_path / 'ran'}".encode()
    pickle.loads(b"cposix\nsystem\n(U" + bytes([len(command)]) + command + b"tR.", encoding="ascii")
    assert (tmp_path / "ran").exists()


def data_of(spelled, labels=None):
    labels = LABELS[2].tolist() if labels is None else labels
    return b"\x80\x02}(U\x06labels" + py2(labels) + b"U\x04data" + spelled + b"u."


GOOD = PIXELS[2].tobytes()
BROKEN = {
    "no pickle": (b"<html>not found</html>", "is no batch of CIFAR-10"),
    "empty": (b"", "is no batch of CIFAR-10"),
    "cut in the pixels": (pickled()["data_batch_3"][:30_000], "is no batch of CIFAR-10"),
    "cut at the end": (pickled()["data_batch_3"][:-1], "is no batch of CIFAR-10"),
    "a list": (b"\x80\x02].", "a list where a dict is expected"),
    "no data": (dumped({"labels": LABELS[2].tolist()}), r"data must be uint8 \(20, 3072\), got a NoneType"),
    "few images": (dumped(batch(2) | {"data": PIXELS[2][1:]}), r"data must be .*, got uint8 \(19, 3072\)"),
    "CIFAR-100's label": (dumped({"data": PIXELS[2], "fine_labels": [1]}), "labels must be a list of 20"),
    "few labels": (dumped(batch(2) | {"labels": [1, 2]}), "labels must be a list of 20"),
    "label 10": (dumped(batch(2) | {"labels": [*range(10), *range(1, 11)]}), "label 20 must be from 0 to 9, got 10"),
    "a long label": (
        dumped({"data": PIXELS[2], "labels": [0] * 19})[:-2]
        + b"U\x06labels]("
        + b"K\x00" * 19
        + b"\x8a\xfa"
        + b"\x7f" * 250
        + b"eu.",
        "label 20 must be from 0 to 9, got 5718",
    ),
    "a text as label": (dumped(batch(2) | {"labels": [0] * 19 + ["cat"]}), "label 20 must be .*, got a bytes"),
    "an array as label": (dumped(batch(2) | {"labels": [0] * 19 + [PIXELS[2]]}), "label 20 must be from 0 to 9"),
    "floats": (data_of(array(GOOD * 4, COUNT, 3072, code=b"U\x02f4")), r"data must be uint8 .*, got float32"),
    "objects": (data_of(array(b"", COUNT, 3072, code=b"U\x02O8", text=b"](K\x01K\x02e")), "is no batch of CIFAR-10"),
    "another shape": (data_of(array(GOOD, COUNT, 3071)), "is no batch of CIFAR-10"),
    "an array of nothing": (data_of(GLOBALS + b"K\x00\x85U\x01b\x87R"), r"data must be uint8 .*, got uint8 \(0,\)"),
    "a huge string": (b"\x80\x02}(U\x04dataT\xff\xff\xff\x7fabcu.", "is no batch of CIFAR-10"),
    "a bytearray": (b"\x80\x05\x96" + struct.pack("<Q", 3) + b"abc.", "a bytearray where a dict is expected"),
    "a registered extension": (b"\x80\x02\x82\x01.", "is no batch of CIFAR-10"),
    "a deep list as label": (
        b"\x80\x02}(U\x04data" + py2(PIXELS[2]) + b"U\x06labels" + b"](" * 19_000 + b"e" * 19_000 + b"u.",
        "must be a list of 20",
    ),
    "an instance": (b"\x80\x02(U\x01aios\nsystem\n.", "asks for os.system"),
    "a persistent name": (b"\x80\x02Pname\n.", "is no batch of CIFAR-10"),
    "a longer file": (pickled()["data_batch_3"] + bytes(5_000_000), "has more than 4,061,440 bytes"),
}


def test_a_broken_pickle(tmp_path):
    folder = write(tmp_path / "cifar-10-batches-py", pickled())
    for kind, (content, message) in BROKEN.items():
        write(folder, {"data_batch_3": content})
        with pytest.raises(InputError, match=f"-py/data_batch_3:? .*{message}.*unpack the archive anew") as error:
            tfconv.data.cifar10(tmp_path, validation=COUNT)
        assert "\n" not in str(error.value) and len(str(error.value)) < 400, kind


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data_batch_2.bin", binary()["data_batch_2.bin"][:-1], "has 61,459 bytes where 61,460 are expected"),
        ("test_batch.bin", binary()["test_batch.bin"] + b"x", "has more than 61,460 bytes"),
        ("test_batch.bin", b"\x0a" + binary()["test_batch.bin"][1:], "label 1 must be from 0 to 9, got 10"),
        ("batches.meta.txt", b"a\nb\n", "must name 10 different classes, and names 2"),
        ("batches.meta.txt", b"a\n" * 10, "must name 10 different classes"),
        ("batches.meta.txt", b"\xff\x00 " * 10, "must name 10 different classes"),
    ],
)
def test_a_broken_binary_file(tmp_path, name, content, message):
    write(tmp_path / "cifar-10-batches-bin", binary() | {name: content})
    with pytest.raises(InputError, match=f"cifar-10-batches-bin/{name}:? {message}.*; unpack the archive anew"):
        tfconv.data.cifar10(tmp_path, validation=COUNT)


@pytest.mark.parametrize("names", ["cat", [1] * 10, ["cat"] * 10, list(NAMES[:9]), [*NAMES[:9], "a\nb"]])
def test_broken_class_names(tmp_path, names):
    write(tmp_path / "cifar-10-batches-py", pickled() | {"batches.meta": dumped({"label_names": names})})
    with pytest.raises(InputError, match="batches.meta (has no list of label_names|must name 10 different classes)"):
        tfconv.data.cifar10(tmp_path, validation=COUNT)


@pytest.mark.parametrize(("folder", "files"), [("cifar-10-batches-py", pickled()), ("cifar-10-batches-bin", binary())])
def test_missing_files(tmp_path, folder, files):
    for name in files:
        write(tmp_path / name / folder, {other: content for other, content in files.items() if other != name})
        with pytest.raises(InputError, match=f"{folder}/{name} is missing; unpack the archive anew"):
            tfconv.data.cifar10(tmp_path / name, validation=COUNT)
    archive = "cifar-10-python.tar.gz" if folder.endswith("py") else "cifar-10-binary.tar.gz"
    del files[name]
    for content, message in (
        (tarball(files, folder), f"holds no file {folder}/{name}; remove it and run again"),
        (tarball(files, "other"), f"holds no file {folder}/data_batch_1"),
        (tarball(files, folder)[:-100], "is broken or cut short"),
    ):
        write(tmp_path / "archive", {archive: content})
        with pytest.raises(InputError, match=f"{archive} {message}"):
            tfconv.data.cifar10(tmp_path / "archive", validation=COUNT)
        assert listed(tmp_path / "archive") == [archive]
