"""Decoding and resizing against Pillow, normalising against NumPy."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfconv import InputError
from tfconv.data import ImagePreprocess


def some_image(width, height, seed=0):
    """Smooth colours with some edges, as a photograph has them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def with_alpha(image):
    return Image.merge("RGBA", (*image.split(), Image.linear_gradient("L").resize(image.size)))


def fitted(image, width, height, fit):
    """Pillow's resizing of the whole image, or of the largest part in the middle that has the wanted shape."""
    share = min(image.width / width, image.height / height)
    left, top = (image.width - width * share) / 2, (image.height - height * share) / 2
    box = (left, top, image.width - left, image.height - top) if fit == "crop" else None
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box)).astype(int)


def graph(preprocess):
    """Decode one image in a graph, as everybody does."""
    decode = tf.function(preprocess.decode, input_signature=[tf.TensorSpec([None], tf.string)])
    return lambda content: decode(tf.constant([content])).numpy()[0].astype(int)


SAME_SIZE = {
    "jpeg": encoded(some_image(40, 30), "JPEG"),
    "jpeg progressive": encoded(some_image(40, 30), "JPEG", progressive=True),
    "jpeg 4:4:4": encoded(some_image(40, 30), "JPEG", quality=98, subsampling=0),
    "jpeg grey": encoded(some_image(40, 30).convert("L"), "JPEG"),
    "png": encoded(some_image(40, 30), "PNG"),
    "png grey": encoded(some_image(40, 30).convert("L"), "PNG"),
    "png palette": encoded(some_image(40, 30).convert("P"), "PNG"),
    "png alpha": encoded(with_alpha(some_image(40, 30)), "PNG"),
    "png grey and alpha": encoded(with_alpha(some_image(40, 30)).convert("LA"), "PNG"),
    "png two colours": encoded(some_image(40, 30).convert("1"), "PNG"),
    "bmp": encoded(some_image(40, 30), "BMP"),
    "bmp grey": encoded(some_image(40, 30).convert("L"), "BMP"),
    "bmp palette": encoded(some_image(40, 30).convert("P"), "BMP"),
    "bmp odd width, few colours": encoded(some_image(37, 30).quantize(9).resize((40, 30)), "BMP"),
    "bmp alpha": encoded(with_alpha(some_image(40, 30)), "BMP"),
    "gif": encoded(some_image(40, 30).convert("P"), "GIF"),
    "gif animated": encoded(
        some_image(40, 30).convert("P"), "GIF", save_all=True, append_images=[some_image(40, 30, 1).convert("P")]
    ),
}


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_images_of_the_right_size_are_those_of_pillow(fit):
    decode = graph(ImagePreprocess((30, 40), fit=fit))
    for kind, content in SAME_SIZE.items():
        expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        np.testing.assert_array_equal(decode(content), expected, kind)


def test_odd_widths_of_bmp_rows_are_padded():
    content = encoded(some_image(37, 5).quantize(200), "BMP")
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    np.testing.assert_array_equal(graph(ImagePreprocess((5, 37)))(content), expected)


def test_grey():
    decode = graph(ImagePreprocess((30, 40), channels=1))
    for kind, content in SAME_SIZE.items():
        expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB").convert("L")).astype(int)
        found = decode(content)
        assert found.shape == (30, 40, 1) and abs(found[..., 0] - expected).max() <= 1, kind


def test_sixteen_bits_are_scaled_down():
    levels = (np.arange(40 * 30).reshape(30, 40) * 54).astype(np.uint16)
    found = graph(ImagePreprocess((30, 40)))(encoded(Image.fromarray(levels), "PNG"))
    assert abs(found - levels[..., None] / 257).max() <= 1


@pytest.mark.parametrize("fit", ["crop", "stretch"])
@pytest.mark.parametrize("target", [(32, 32), (20, 48)])
def test_resizing_is_that_of_pillow(target, fit):
    """Rounding apart (Pillow rounds after each direction, to 1; the two may differ by one more)."""
    preprocess = ImagePreprocess(target, fit=fit)
    decode, resize = graph(preprocess), tf.function(preprocess.resize, reduce_retracing=True)
    for source in [(40, 30), (33, 65), (640, 480), (301, 299), (7, 5), (1, 1), (40, 1), (64, 32)]:
        image = some_image(*source)
        expected = fitted(image, target[1], target[0], fit)
        assert abs(decode(encoded(image, "PNG")) - expected).max() <= 2, source
        pixels = np.stack([np.asarray(image), np.asarray(some_image(*source, seed=1))])
        resized = resize(pixels).numpy().astype(int)
        assert resized.shape == (2, *target, 3) and abs(resized[0] - expected).max() <= 2, source


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_large_jpegs_are_decoded_smaller_and_look_the_same(fit):
    """Decoding at 1/2 to 1/8 and then resizing, against decoding in full: on average within a level of 255."""
    for side in (16, 32, 100, 224):
        decode = graph(ImagePreprocess(side, fit=fit))
        for source in [(640, 480), (1201, 799), (483, 1203)]:
            content = encoded(some_image(*source), "JPEG", quality=90)
            difference = abs(decode(content) - fitted(Image.open(io.BytesIO(content)), side, side, fit))
            assert difference.mean() < 1 and difference.max() <= 6, (side, source)


def test_a_huge_jpeg_takes_little_memory():
    """At 1/8 its pixels are 1/64: 9,600 x 9,600, more than Pillow reads, are decoded as 1,200 x 1,200."""
    content = encoded(Image.new("RGB", (9_600, 9_600), (10, 200, 30)), "JPEG")
    concrete = tf.function(ImagePreprocess(32).decode_one).get_concrete_function(tf.TensorSpec([], tf.string))
    nodes = [node for function in concrete.graph.as_graph_def().library.function for node in function.node_def]
    assert {node.attr["ratio"].i for node in nodes if node.op == "DecodeJpeg"} == {1, 2, 4, 8}
    found = concrete(tf.constant(content)).numpy().astype(int)
    assert abs(found - [10, 200, 30]).max() <= 3


def test_a_batch_of_all_kinds():
    preprocess = ImagePreprocess((30, 40))
    kinds = list(SAME_SIZE.values())
    pixels = tf.function(preprocess.decode)(tf.constant(kinds))
    assert pixels.shape == (len(kinds), 30, 40, 3) and pixels.dtype == tf.uint8
    for place, content in enumerate(kinds):
        np.testing.assert_array_equal(pixels[place], preprocess.decode_one(tf.constant(content)))
    assert preprocess.decode(tf.constant([], tf.string)).shape == (0, 30, 40, 3)


def test_a_saved_graph_needs_no_python(tmp_path):
    preprocess = ImagePreprocess((24, 32), crop=20, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    contents = tf.constant(list(SAME_SIZE.values()))
    module = tf.Module()
    module.call = tf.function(preprocess.__call__, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(tmp_path))
    assert b"PyFunc" not in (tmp_path / "saved_model.pb").read_bytes()
    found = tf.saved_model.load(str(tmp_path)).call(contents)
    assert found.shape == (len(SAME_SIZE), 20, 20, 3)
    np.testing.assert_array_equal(found, tf.function(preprocess)(contents))


def test_what_is_no_image():
    decode = graph(ImagePreprocess(32))
    cut = [SAME_SIZE["jpeg"][:-20], SAME_SIZE["png"][:-30], SAME_SIZE["gif"][:60], SAME_SIZE["bmp"][:-1]]
    cut += [SAME_SIZE["bmp palette"][:-1], SAME_SIZE["bmp palette"][:40]]
    two_colours = encoded(some_image(40, 30).convert("1"), "BMP")  # of one bit a pixel, which TensorFlow cannot read
    for content in (b"", b"a text", b"\xff\xd8\xff", b"BM", two_colours, *cut):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode(content)


def test_normalising_is_that_of_numpy():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 9, 7, 3), np.uint8)
    mean, std = (0.1, 0.5, 0.7), (0.3, 0.2, 1.0)
    whole = (pixels / 255 - mean) / std
    np.testing.assert_allclose(ImagePreprocess((9, 7), mean=mean, std=std).normalize(pixels), whole, atol=2e-6)
    cut = ImagePreprocess((9, 7), crop=4, mean=mean, std=std)
    assert cut.input_shape == (4, 4, 3)
    np.testing.assert_allclose(cut.normalize(pixels), whole[:, 2:6, 1:5], atol=2e-6)
    np.testing.assert_allclose(cut.normalize(pixels[:, :4, :4]), whole[:, :4, :4], atol=2e-6)
    for dtype in (tf.float16, tf.float32, tf.float64):
        found = cut.normalize(tf.cast(pixels, dtype))
        assert found.dtype == tf.float32
        np.testing.assert_allclose(found, whole[:, 2:6, 1:5], atol=2e-6)
    with pytest.raises(ValueError, match=r"pixels must be a batch of images \(.*\), got shape \(5, 9, 7, 1\)"):
        cut.normalize(pixels[..., :1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size must be a whole number from 1"),
        ({"size": (8, 8, 3)}, r"size must be height and width, or one number for both, got \(8, 8, 3\)"),
        ({"size": "ab"}, "size must be a whole number"),
        ({"size": 8, "crop": 9}, "crop must not be larger than the images, 8 x 8; got 9"),
        ({"size": 8, "channels": 4}, r"channels must be 1 \(grey\) or 3 \(colours\), got 4"),
        ({"size": 8, "fit": "pad"}, "fit must be 'crop' or 'stretch', got 'pad'"),
        ({"size": 8, "mean": (0, 1)}, r"mean must be one number, or one for each of 3 channels, got \(0, 1\)"),
        ({"size": 8, "std": (1, float("nan"), 1)}, "std must be one number"),
        ({"size": 8, "std": (1, 0, 1)}, "std must be above 0 in every channel"),
    ],
)
def test_what_it_refuses(arguments, message):
    with pytest.raises(InputError, match=message):
        ImagePreprocess(**arguments)


@pytest.mark.real_data
def test_the_images_of_cifar10_are_those_of_pillow(data_directory):
    files = sorted((data_directory / "cifar10_images" / "test" / "cat").iterdir())[:200]
    expected = [np.asarray(Image.open(path).convert("RGB")) for path in files]
    pixels = tf.function(ImagePreprocess(32).decode)(tf.constant([path.read_bytes() for path in files]))
    np.testing.assert_array_equal(pixels, np.stack(expected))
