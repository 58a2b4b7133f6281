"""The `tfconv` command as tests call it."""

import contextlib
import os
import tempfile
from pathlib import Path

from tfconv.cli import main


def status(*arguments, given=b""):
    """Run the command in this process, with `given` as its standard input, and return its exit status."""
    try:
        with _standard_input(given):
            main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code or 0
    return 0


def load_models_once(monkeypatch):
    """Read each model file once in this test, which asks about many settings beside one: half a second each."""
    import keras

    load, loaded = keras.saving.load_model, {}

    def once(path, **options):
        content = Path(path).read_bytes()
        if content not in loaded:
            loaded[content] = load(path, **options)
        return loaded[content]

    monkeypatch.setattr(keras.saving, "load_model", once)


@contextlib.contextmanager
def _standard_input(content):
    before = os.dup(0)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        os.dup2(file.fileno(), 0)
    try:
        yield
    finally:
        os.dup2(before, 0)
        os.close(before)
