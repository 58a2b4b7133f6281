"""An exported image classifier: right answers for any image, an error with a position for what is none."""

import base64
import importlib.util
import io
import json
import struct
import subprocess
import sys
import textwrap
import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_classifiers import by_hand, image, image_model, image_preprocess

from tfconv.export import ExportError, check_saved_model, export_serving
from tfconv.export.checks import rule_breaks
from tfconv.kinds.images import serving as image_graph
from tfconv.tasks import MULTI_LABEL

IMAGES = [
    image("JPEG"),
    image("PNG", "RGBA"),
    image("PNG", "L", (20, 20)),
    image("PNG", "P"),
    image("BMP", size=(7, 90)),
    image("GIF", "P"),
    image("JPEG", size=(600, 801)),
    image("PNG", size=(1, 1)),
]


def png_of(width, height):
    """The head of a PNG that claims this size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + b"\0" * 40


def jpeg_of(width, height):
    """A whole, tiny JPEG whose frame is then made to claim this size."""
    whole = bytearray(image("JPEG", size=(8, 8)))
    whole.insert(2, 0xFF)  # a fill byte before the next marker, as some cameras write it
    start = next(i for i in range(len(whole)) if whole[i] == 0xFF and whole[i + 1] in (0xC0, 0xC2))
    whole[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(whole)


def flipped(encoded, at):
    """One byte changed, so that a checksum or a table is wrong."""
    return encoded[:at] + bytes([encoded[at] ^ 0xFF]) + encoded[at + 1 :]


BROKEN = {
    "text": b"this is no image at all, however long it is",
    "empty": b"",
    "one byte": b"\xff",
    "magic alone": b"\xff\xd8\xff",
    "PNG magic alone": b"\x89PNG\r\n\x1a\n",
    "cut JPEG": image("JPEG")[:-200],
    "cut PNG": image("PNG")[:-60],
    "cut GIF": image("GIF", "P")[:-60],
    "cut BMP": image("BMP")[:-60],
    "wrong checksum": flipped(image("PNG"), 50),
    "wrong JPEG table": flipped(image("JPEG"), image("JPEG").index(b"\xff\xc4") + 5),
    "PDF": b"%PDF-1.7\n" + b"x" * 300,
    "huge PNG": png_of(60_000, 60_000),
    "negative PNG": png_of(0xFFFFFFF0, 0x7FFFFFFF),
    "huge JPEG": jpeg_of(65_000, 60_000),
    "huge GIF": image("GIF", "P")[:6] + b"\xff\xff\xff\xff" + image("GIF", "P")[10:],
    "huge BMP": image("BMP")[:18] + struct.pack("<ii", 2**31 - 1, -(2**31)) + image("BMP")[26:],
    "huge grey BMP": image("BMP", "L")[:18] + struct.pack("<ii", 2**30, 4) + image("BMP", "L")[26:],
    "huge WebP": b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + (0x3FFF | 0x3FFF << 14).to_bytes(4, "little") + b"\0" * 90,
    "huge extended WebP": b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0" + b"\xff\xff\x01\xff\xff\x01" + b"\0" * 90,
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model, prepare = image_model(3), image_preprocess(("a", "b", "c"))
    return model, prepare, export_serving(model, prepare, tmp_path_factory.mktemp("models") / "shapes")


@pytest.fixture(scope="module", params=["loaded", "session"])
def ask(request, exported):
    """Ask a signature by either loader: name and value in, answers as a dictionary out."""
    folder = str(exported[2])
    if request.param == "loaded":
        signatures = tf.saved_model.load(folder).signatures

        def call(name, value):
            (given,) = signatures[name].structured_input_signature[1]
            answers = signatures[name](
                **{given: tf.constant(value, tf.string if isinstance(value, list) else tf.uint8)}
            )
            return {alias: tensor.numpy() for alias, tensor in answers.items()}

        return call
    with tf.Graph().as_default() as graph:
        session = tf.compat.v1.Session(graph=graph)
        found = tf.compat.v1.saved_model.load(session, ["serve"], folder).signature_def

    def feed(name, value):
        (given,) = found[name].inputs.values()
        wanted = {alias: tensor.name for alias, tensor in found[name].outputs.items()}
        return session.run(wanted, {given.name: np.array(value, object if isinstance(value, list) else None)})

    return feed


def test_the_signatures(exported):
    signatures = tf.saved_model.load(str(exported[2])).signatures
    given = {name: signatures[name].structured_input_signature[1] for name in signatures}
    specs = {name: {k: (s.dtype, s.shape.as_list()) for k, s in given[name].items()} for name in signatures}
    assert specs == {
        "serving_default": {"image": (tf.string, [None])},
        "pixels": {"pixels": (tf.uint8, [None, None, None, 3])},
        "classify": {"inputs": (tf.string, [None])},
    }
    answers = {"probabilities": (tf.float32, [None, 3]), "label": (tf.string, [None]), "score": (tf.float32, [None])}
    for name in ("serving_default", "pixels"):
        outputs = signatures[name].structured_outputs
        assert {alias: (spec.dtype, spec.shape.as_list()) for alias, spec in outputs.items()} == answers
    assert list(rule_breaks(exported[2])) == []


def test_a_broken_signature_of_pixels_is_not_published(exported):
    """`export_serving` publishes what this check lets pass; here the pixels asked are upside down."""
    model, prepare, folder = exported
    samples = image_graph.image_samples(prepare, [])
    live = tf.nn.softmax(image_graph.image_logits(model, prepare, samples)).numpy()
    pixels = image_graph.png_pixels(prepare, samples)
    check_saved_model(folder, samples, live, "abc", feature="image", arrays={"pixels": pixels})
    with pytest.raises(ExportError, match="probabilities of pixels"):
        turned = {at: one[::-1] for at, one in pixels.items()}
        check_saved_model(folder, samples, live, "abc", feature="image", arrays={"pixels": turned})


def test_any_image(exported, ask):
    model, prepare, _ = exported
    got = ask("serving_default", IMAGES)
    want = by_hand(model, prepare, IMAGES)
    np.testing.assert_allclose(got["probabilities"], want, atol=1e-5)
    assert got["label"].tolist() == [b"abc"[i : i + 1] for i in want.argmax(axis=1)]
    np.testing.assert_array_equal(got["score"], got["probabilities"].max(axis=1))
    for place in (0, 5, 6):  # a single image takes another way through the graph
        alone = ask("serving_default", [IMAGES[place]])
        np.testing.assert_allclose(alone["probabilities"], got["probabilities"][[place]], atol=1e-6)


def test_classify(exported, ask):
    def example(encoded):
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))
        return tf.train.Example(features=tf.train.Features(feature={"image": feature})).SerializeToString()

    got = ask("classify", [example(encoded) for encoded in IMAGES])
    assert got["classes"].tolist() == [[b"a", b"b", b"c"]] * len(IMAGES)
    np.testing.assert_allclose(got["scores"], by_hand(exported[0], exported[1], IMAGES), atol=1e-5)


@pytest.mark.parametrize("size", [(20, 20), (23, 31), (5, 200)])
def test_pixels_are_a_png_without_its_file(ask, size):
    encoded = image(size=size)
    array = np.asarray(Image.open(io.BytesIO(encoded)))
    got, want = ask("pixels", array[None]), ask("serving_default", [encoded])
    np.testing.assert_array_equal(got["probabilities"], want["probabilities"])
    assert got["label"].tolist() == want["label"].tolist()


def test_a_jpeg_is_seen_as_in_training(exported, ask):
    """What the model was trained on: `decode`, kept as uint8, then `normalize`."""
    model, prepare, _ = exported
    encoded = [image("JPEG", size=(60, 44), seed=seed) for seed in range(5)]
    stored = prepare.decode(tf.constant(encoded)).numpy()
    logits = model(prepare.normalize(stored), training=False)
    np.testing.assert_allclose(ask("serving_default", encoded)["probabilities"], tf.nn.softmax(logits), atol=1e-5)


def test_no_image_at_all(ask):
    shapes = {alias: value.shape for alias, value in ask("serving_default", []).items()}
    assert shapes == {"probabilities": (0, 3), "label": (0,), "score": (0,)}
    assert ask("pixels", np.zeros((0, 9, 9, 3), np.uint8))["probabilities"].shape == (0, 3)


def test_the_position_of_what_is_no_image(ask):
    good = IMAGES[0]
    for kind, broken in BROKEN.items():
        for batch, place in (([broken, good], 0), ([good, good, good, broken, good, broken], 3)):
            with pytest.raises(tf.errors.InvalidArgumentError) as caught:
                ask("serving_default", batch)
            assert f"image {place} of the batch (counted from 0) is no whole JPEG" in str(caught.value), kind
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            ask("serving_default", [broken])
        assert "image 0 of the batch" in str(caught.value).replace("image_0_of_the_batch", "image 0 of the batch"), kind
    assert ask("serving_default", [good])["label"].shape == (1,)  # and it goes on


def test_a_fresh_process_without_tfconv(exported, tmp_path):
    """TensorFlow alone, with neither tfconv nor Keras to be imported, and the request that stands beside the model."""
    model, prepare, folder = exported
    code = """
        import base64, json, pathlib, sys
        for name in ("tfconv", "keras"):
            sys.modules[name] = None  # an import of it fails
        import tensorflow as tf
        folder = pathlib.Path(sys.argv[1])
        signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
        request = json.loads((folder / "assets.extra" / "example-request.json").read_text())
        images = [base64.b64decode(one["b64"], validate=True) for one in request["instances"]]
        answers = signature(image=tf.constant(images))
        try:
            signature(image=tf.constant([*images, b"none"]))
        except tf.errors.InvalidArgumentError as error:
            told = str(error)
        print(json.dumps([answers["probabilities"].numpy().tolist(), told]))
    """
    command = [sys.executable, "-I", "-c", textwrap.dedent(code), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    got, told = json.loads(result.stdout.splitlines()[-1])
    request = json.loads((folder / "assets.extra" / "example-request.json").read_text())
    encoded = [base64.b64decode(one["b64"]) for one in request["instances"]]
    np.testing.assert_allclose(got, by_hand(model, prepare, encoded), atol=1e-5)
    assert "image 2 of the batch" in told


def test_the_files(exported):
    model, prepare, folder = exported
    assert (folder / "assets" / "labels.txt").read_text().split() == ["a", "b", "c"]
    again = keras.saving.load_model(folder / "assets.extra" / "model.keras")
    loaded = type(prepare).load(folder / "assets.extra" / "preprocess")
    np.testing.assert_array_equal(by_hand(again, loaded, IMAGES[:2]), by_hand(model, prepare, IMAGES[:2]))


ONNX = importlib.util.find_spec("tf2onnx") is not None
OBLONG = {"size": (20, 30), "crop": None, "fit": "stretch"}


@pytest.mark.parametrize(
    ("model", "prepare", "options"),
    [
        (lambda: image_model(shape=(16, 16, 1)), lambda: image_preprocess(channels=1), {"litert": True, "onnx": ONNX}),
        (
            lambda: image_model(4, shape=(20, 30, 3), seed=3),
            lambda: image_preprocess("abcd", task=MULTI_LABEL, **OBLONG),
            {"separator": " + "},
        ),
        (lambda: image_model(3, dtype="mixed_bfloat16"), lambda: image_preprocess("abc"), {}),
    ],
    ids=["grey_of_two_classes", "oblong_with_several_labels", "half_precision"],
)
def test_other_classifiers(tmp_path, model, prepare, options):
    model, prepare = model(), prepare()
    folder = export_serving(model, prepare, tmp_path, samples=[IMAGES[0]], **options)
    for name, option in (("model.tflite", "litert"), ("model.onnx", "onnx")):
        copy = folder / "assets.extra" / name
        assert copy.is_file() == options.get(option, False) and (not copy.exists() or copy.stat().st_size > 500)
    got = tf.saved_model.load(str(folder)).signatures["serving_default"](image=tf.constant(IMAGES))
    want = by_hand(model, prepare, IMAGES, multi_label=not prepare.task.exclusive)
    half = model.layers[1].compute_dtype == "bfloat16"
    np.testing.assert_allclose(got["probabilities"], want, atol=2e-2 if half else 1e-5)
    names = np.array(prepare.class_names)
    if not prepare.task.exclusive:
        assert [label.decode() for label in got["label"].numpy()] == [" + ".join(names[row > 0.5]) for row in want]
    elif not half:
        assert [label.decode() for label in got["label"].numpy()] == names[want.argmax(axis=1)].tolist()
