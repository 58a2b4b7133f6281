"""Read the preprocessing of a run, whichever kind it is."""

from pathlib import Path

from tfconv.data.image import ImagePreprocess
from tfconv.data.text import TextPreprocess
from tfconv.errors import InputError

__all__ = ["load_preprocess"]


def load_preprocess(directory: str | Path) -> TextPreprocess | ImagePreprocess:
    """Read what `TextPreprocess.save` or `ImagePreprocess.save` wrote.

    Args:
        directory: holds `image.json`, or `text.json` and `vocabulary.json`.

    Raises:
        InputError: there is neither, or a file is missing, cut short or broken.
    """
    directory = Path(directory)
    if (directory / "image.json").is_file():
        return ImagePreprocess.load(directory)
    if directory.is_dir() and not any((directory / name).exists() for name in ("text.json", "vocabulary.json")):
        raise InputError(f"{directory} holds neither text.json nor image.json: give a folder that a run wrote")
    return TextPreprocess.load(directory)
