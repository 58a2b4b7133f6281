"""Image files that the tests of image sources write."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def photo(seed=0, height=24, width=32, mode="RGB"):
    """A smooth image with a little noise, so that JPEG keeps it."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    colours = rng.uniform(40, 215, (3, 1, 1))
    pixels = colours + 30 * np.stack([down, across, down - across]) + rng.uniform(-3, 3, (3, height, width))
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0)).convert(mode)


def encoded(image, form="PNG", **options):
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def bomb(height, width):
    """A PNG of some 100 bytes that claims any size."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def write_files(directory, files):
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


def tree(classes=("cat", "dog"), count=4, **options):
    """Files of `count` PNG images a class, each of its own colours."""
    names = [f"{name}/{number}.png" for name in classes for number in range(count)]
    return {name: encoded(photo(seed, **options)) for seed, name in enumerate(names)}


def by_class(data):
    """Every image by its class, of all splits together."""
    found = {name: [] for name in data.class_names}
    for part in data.examples.values():
        for label, pixels in zip(part.labels, part.pixels, strict=True):
            found[data.class_names[label]].append(pixels)
    return found


def in_order(name):
    """The order in which images are read."""
    folder, _, file = name.partition("/")
    return folder, file
