"""Which kind of preprocessing a folder holds, and reading it back."""

import json
import subprocess
import sys

import pytest

from tfconv import InputError
from tfconv.data import ImagePreprocess, TextPreprocess, Tokenizer, Vocabulary
from tfconv.data import preprocess as kinds


def test_folders_with_and_without_kind_json(tmp_path):
    saved = {"text": TextPreprocess(Tokenizer(), Vocabulary(["good"]), 6), "images": ImagePreprocess(8)}
    for kind, preprocess in saved.items():
        folder = tmp_path / kind
        preprocess.save(folder)
        assert json.loads((folder / "kind.json").read_text()) == {"kind": kind}
        for _ in range(2):  # then as older runs wrote it
            assert kinds.kind_of(folder) == kind and type(kinds.load_preprocess(folder)) is type(preprocess)
            (folder / "kind.json").unlink(missing_ok=True)
    assert kinds.kind_of(tmp_path) is None and kinds.kind_of(tmp_path / "nowhere") is None
    code = (
        f"import sys; from tfconv.data.preprocess import kind_of; print(kind_of({str(tmp_path / 'text')!r}), end=' ')"
    )
    done = subprocess.run([sys.executable, "-c", f"{code}; print('tensorflow' in sys.modules)"], capture_output=True)
    assert done.stdout == b"text False\n"


def test_another_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(kinds, "LOADERS", dict(kinds.LOADERS))
    kinds.write_kind(tmp_path, "sounds")
    with pytest.raises(InputError, match="of the kind 'sounds', and known are text, images"):
        kinds.load_preprocess(tmp_path)
    kinds.register_loader("sounds", lambda folder: ("read", folder))
    assert kinds.load_preprocess(tmp_path) == ("read", tmp_path)
    for content in ("[]", "{}", '{"kind": 3}'):
        (tmp_path / "kind.json").write_text(content)
        with pytest.raises(InputError, match="kind.json names no kind"):
            kinds.load_preprocess(tmp_path)
