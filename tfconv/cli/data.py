"""`tfconv data`: data sets onto this disk."""

from pathlib import Path


def imdb(to: Path | None = None) -> None:
    """Get the IMDB reviews (84 MB; from aclImdb_v1.tar.gz where that lies there already) and say what is in them.

    Args:
        to: the folder that shall hold aclImdb; default: TFCONV_DATA_DIR, else ~/.cache/tfconv.
    """
    from tfconv.data import imdb as read
    from tfconv.data.sets.imdb import imdb_folder

    folder = imdb_folder(to)
    print(read(to))
    print(f"in {folder}; train with: tfconv train text {folder} --run runs/imdb")


def cifar10(to: Path | None = None) -> None:
    """Get CIFAR-10 (170 MB; from its archive where that lies there already) and say what is in it.

    Args:
        to: the folder that shall hold cifar-10-batches-py; default: TFCONV_DATA_DIR, else ~/.cache/tfconv.
    """
    from tfconv.data import cifar10 as read
    from tfconv.data.sets.cifar10 import cifar10_folder

    folder = cifar10_folder(to)
    print(read(to))
    print(f"in {folder}; train with: tfconv train images {folder} --run runs/cifar10")
