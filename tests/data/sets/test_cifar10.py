"""CIFAR-10 in small, read from the forms that the official files have."""

import functools
import hashlib
import http.server
import threading

import numpy as np
import pytest
from cifar10_files import COUNT, LABELS, NAMES, PIXELS, binary, numpy2, pickled, tarball, write
from folder_contents import listed

import tfconv.data
from tfconv import InputError
from tfconv.cli import main
from tfconv.data.sets import cifar10 as cifar10_images
from tfconv.tasks import CLASSIFICATION


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(cifar10_images, "PER_FILE", COUNT)
    monkeypatch.setattr(cifar10_images, "URL", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    monkeypatch.delenv("TFCONV_DATA_DIR", raising=False)


def check(data, held=COUNT):
    assert (data.name, data.class_names, data.task, data.skipped) == ("cifar10", NAMES, CLASSIFICATION, ())
    # One image at a time: three planes of 1,024, each row by row.
    every = np.array([[np.stack([*image.reshape(3, 32, 32)], axis=-1) for image in file] for file in PIXELS])
    pixels, labels = every[:5].reshape(-1, 32, 32, 3), LABELS[:5].reshape(-1)
    parts = {"train": (pixels[:-held], labels[:-held]), "validation": (pixels[-held:], labels[-held:])}
    for split, (images, numbers) in {**parts, "test": (every[5], LABELS[5])}.items():
        np.testing.assert_array_equal(data.examples[split].pixels, images)
        np.testing.assert_array_equal(data.examples[split].labels, numbers)
        assert data.examples[split].store is data.examples["train"].store


FORMS = {
    "python": ("cifar-10-batches-py", pickled()),
    "python, NumPy 2, protocol 3": ("cifar-10-batches-py", pickled(functools.partial(numpy2, protocol=3))),
    "python, NumPy 2, protocol 4": ("cifar-10-batches-py", pickled(functools.partial(numpy2, protocol=4))),
    "binary": ("cifar-10-batches-bin", binary()),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_give_the_same_images(tmp_path, monkeypatch, form):
    folder, files = FORMS[form]
    write(tmp_path / "data" / folder, files)
    check(tfconv.data.cifar10(tmp_path / "data", validation=COUNT))
    check(tfconv.data.cifar10(tmp_path / "data" / folder, validation=COUNT))
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "data"))
    check(tfconv.data.cifar10(validation=COUNT))
    check(tfconv.data.cifar10(write(tmp_path / "other name", files), validation=COUNT))
    name = "cifar-10-python.tar.gz" if folder.endswith("py") else "cifar-10-binary.tar.gz"
    write(tmp_path / "archive", {name: tarball(files, folder)})
    check(tfconv.data.cifar10(tmp_path / "archive", validation=COUNT))
    assert listed(tmp_path / "archive") == sorted([name, folder])
    (tmp_path / "archive" / name).unlink()
    check(tfconv.data.cifar10(tmp_path / "archive", validation=COUNT))


def test_a_download_where_nothing_is_there(tmp_path, monkeypatch):
    content = tarball(pickled(), "cifar-10-batches-py")
    write(tmp_path / "site", {"cifar-10-python.tar.gz": content})

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(cifar10_images, "SIZE", len(content))
    monkeypatch.setattr(cifar10_images, "MD5", hashlib.md5(content).hexdigest())
    with pytest.raises(InputError) as error:
        tfconv.data.cifar10(tmp_path / "new", validation=COUNT)
    for part in ("(1) run again with", "(2) put cifar-10-python.tar.gz", "(3) name the folder", "refused"):
        assert part in str(error.value)
    handler = functools.partial(Quiet, directory=tmp_path / "site")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        monkeypatch.setattr(cifar10_images, "URL", f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz")
        check(tfconv.data.cifar10(tmp_path / "new", validation=COUNT))
        server.shutdown()
    assert listed(tmp_path / "new") == ["cifar-10-batches-py", "cifar-10-python.tar.gz"]


def test_the_held_out_part(tmp_path):
    write(tmp_path / "cifar-10-batches-bin", binary())
    check(tfconv.data.cifar10(tmp_path, validation=1), held=1)
    whole = tfconv.data.cifar10(tmp_path, validation=0)
    assert list(whole.examples) == ["train", "test"] and len(whole.examples["train"]) == 5 * COUNT
    shares = [tfconv.data.cifar10(tmp_path, validation=0.2, seed=seed).examples for seed in (0, 0, 1)]
    rows = [part["validation"].rows.tolist() for part in shares]
    assert rows[0] == rows[1] != rows[2]
    for part in shares:
        assert part["train"].class_counts(10).tolist() == [8] * 10
        assert sorted([*part["train"].rows, *part["validation"].rows]) == list(range(5 * COUNT))
    for wrong in (-1, 5 * COUNT, 1.0, -0.1, True, "0.1", None, float("nan")):
        with pytest.raises(InputError, match="validation must be a number of images from 0 to 99, or a fraction"):
            tfconv.data.cifar10(tmp_path, validation=wrong)


def test_the_command_says_what_is_there(tmp_path, monkeypatch, capsys):
    write(tmp_path / "cifar-10-batches-py", pickled())
    monkeypatch.setattr(tfconv.data, "cifar10", functools.partial(tfconv.data.cifar10, validation=COUNT))
    main(["data", "cifar10", "--to", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "cifar10: 120 images, 10 classes, 0 skipped" in printed
    assert f"tfconv train images {tmp_path / 'cifar-10-batches-py'}" in printed


@pytest.mark.real_data
def test_the_real_images(data_directory, monkeypatch):
    monkeypatch.setattr(cifar10_images, "PER_FILE", 10_000)
    data = tfconv.data.cifar10(data_directory)
    assert {split: len(part) for split, part in data.examples.items()} == {
        "train": 40_000, "validation": 10_000, "test": 10_000,
    }  # fmt: skip
    assert data.class_names == NAMES and data.examples["test"].class_counts(10).tolist() == [1000] * 10
    whole = tfconv.data.cifar10(data_directory, validation=0).examples["train"]
    assert whole.class_counts(10).tolist() == [5000] * 10
    np.testing.assert_allclose(whole.channel_statistics()[0], (0.4914, 0.4822, 0.4465), atol=5e-4)  # the published ones
