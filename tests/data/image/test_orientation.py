"""Orientation by EXIF, against Pillow's."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from tfconv.data import ImagePreprocess
from tfconv.data.image.decode import exif_orientation, has_exif


def some_image(height=24, width=40):
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([rows * 250 // height, columns * 250 // width, rows * columns * 250 // (height * width)], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))


def jpeg(orientation, order="<", size=(24, 40), *, before=0):
    """A JPEG with an EXIF segment made by hand: `before` other tags come before the orientation's."""
    tags = [(0x0100 + i, 4, 1, struct.pack(order + "I", 7)) for i in range(before)]
    tags.append((0x0112, 3, 1, struct.pack(order + "HH", orientation, 0)))
    entries = b"".join(struct.pack(order + "HHI", *tag[:3]) + tag[3] for tag in tags)
    start = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 8)
    directory = start + struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", 0)
    buffer = io.BytesIO()
    some_image(*size).save(buffer, "JPEG", quality=95, subsampling=0, exif=b"Exif\0\0" + directory)
    return buffer.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("before", [0, 5])
def test_number_is_read_in_both_orders_of_bytes(order, before):
    for orientation in range(1, 9):
        content = jpeg(orientation, order, before=before)
        assert Image.open(io.BytesIO(content)).getexif()[0x0112] == orientation
        assert has_exif(tf.constant(content)) and int(exif_orientation(tf.constant(content))) == orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_image_is_turned_as_by_pillow(orientation):
    content = jpeg(orientation)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    preprocess = ImagePreprocess((upright.height, upright.width))  # no resizing: to the pixel
    np.testing.assert_array_equal(preprocess.decode(tf.constant([content]))[0], np.array(upright))


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_large_image_is_reduced_the_right_way_round(orientation):
    content = jpeg(
        orientation, size=(301, 500)
    )  # decoded at a part of its size, which leaves a broken pixel at an edge
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    got = ImagePreprocess((30, 20), fit="stretch").decode(tf.constant([content]))[0].numpy().astype(int)
    expected = np.array(upright.resize((20, 30), Image.Resampling.BILINEAR), int)
    assert np.abs(got - expected).max() <= 4  # half a pixel of the gradient
    assert np.abs(got - expected[::-1]).max() > 200


@pytest.mark.parametrize("number", [0, 9, 300])
def test_senseless_number_is_none(number):
    assert int(exif_orientation(tf.constant(jpeg(number)))) == 1


def test_image_without_orientation_is_not_turned():
    buffer = io.BytesIO()
    some_image().save(buffer, "JPEG")
    assert not has_exif(tf.constant(buffer.getvalue())) and not has_exif(tf.constant(b"\xff\xd8\xff"))
    assert int(exif_orientation(tf.constant(buffer.getvalue()))) == 1
