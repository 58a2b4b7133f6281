"""An exported model answers as the live one, in this process, in a fresh one without tfconv, and in a session."""

import importlib.util
import json
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_classifiers import WORDS, by_hand, preprocess, stock_model

from tfconv.data import TextPreprocess, Tokenizer, Vocabulary
from tfconv.errors import InputError
from tfconv.export import export_serving
from tfconv.models import TextCNN
from tfconv.tasks import MULTI_LABEL

ONNX = importlib.util.find_spec("tf2onnx") is not None
TEXTS = ["Good film!", "", "not bad at all, 日本", "film " * 4000, "unknown wörds 🙂", b"good \xff film"]


def ask(folder, texts=TEXTS):
    answers = tf.saved_model.load(str(folder)).signatures["serving_default"](text=tf.constant(texts))
    return {name: value.numpy() for name, value in answers.items()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Three classes, and the copy for ONNX where its package is installed."""
    model, prepare = stock_model(3), preprocess(("a", "b", "c"))
    base = tmp_path_factory.mktemp("models") / "name"
    return model, prepare, export_serving(model, prepare, base, onnx=ONNX, samples=["Good film!"])


@pytest.fixture(scope="module")
def text_cnn(tmp_path_factory):
    """Ours, whose dropout would be seen."""
    keras.utils.set_random_seed(0)
    model, prepare = TextCNN(len(WORDS) + 3, filters=8, dropout=0.9), preprocess()
    return model, prepare, export_serving(model, prepare, tmp_path_factory.mktemp("models") / "small")


def test_the_signatures_and_their_answers(exported):
    model, prepare, folder = exported
    assert (folder.parent.name, folder.name) == ("name", "1")
    signatures = tf.saved_model.load(str(folder)).signatures
    assert set(signatures) == {"serving_default", "classify"}
    (given,) = signatures["serving_default"].structured_input_signature[1].values()
    assert (given.name, given.dtype, given.shape.as_list()) == ("text", tf.string, [None])
    outputs = signatures["serving_default"].structured_outputs
    shapes = {name: (spec.dtype, spec.shape.as_list()) for name, spec in outputs.items()}
    assert shapes == {
        "probabilities": (tf.float32, [None, 3]),
        "label": (tf.string, [None]),
        "score": (tf.float32, [None]),
    }
    want = by_hand(model, prepare, TEXTS)
    got = ask(folder)
    np.testing.assert_allclose(got["probabilities"], want, atol=1e-5)
    assert got["label"].tolist() == [b"abc"[i : i + 1] for i in want.argmax(axis=1)]
    np.testing.assert_allclose(got["score"], want.max(axis=1), atol=1e-5)
    assert (folder / "assets" / "labels.txt").read_text().split() == ["a", "b", "c"]
    assert (folder / "assets" / "vocabulary.txt").read_text().splitlines() == WORDS
    example = tf.train.Example(
        features=tf.train.Features(
            feature={"text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"Good film!"]))}
        )
    )
    classified = signatures["classify"](inputs=tf.constant([example.SerializeToString()]))
    assert classified["classes"].numpy().tolist() == [[b"a", b"b", b"c"]]
    np.testing.assert_allclose(classified["scores"].numpy(), want[:1], atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: (stock_model(), preprocess()),
        lambda: (stock_model(length=20), preprocess()),
        lambda: (stock_model(size=60), preprocess(words=["\n", "\r", *"abcdefg 🙂"], level="char", length=300)),
    ],
    ids=["any_length", "fixed_length", "characters_with_line_feeds"],
)
def test_two_classes(tmp_path, make):
    model, prepare = make()
    fixed = model.input_shape[1] is not None
    folder = export_serving(model, prepare, tmp_path, litert=fixed)
    check_two_classes(model, prepare, folder)
    copy = folder / "assets.extra" / "model.tflite"
    assert copy.exists() == fixed and (not fixed or copy.stat().st_size > 500)


def check_two_classes(model, prepare, folder):
    got = ask(folder)
    if model.input_shape[1] is None:
        want = by_hand(model, prepare, TEXTS)
    else:
        want = by_hand(model, lambda texts: prepare(texts, pad_to=model.input_shape[1]), TEXTS)
    np.testing.assert_allclose(got["probabilities"], want, atol=1e-5)
    assert got["label"].tolist() == [prepare.class_names[i].encode() for i in want.argmax(axis=1)]


@pytest.mark.parametrize("classes", [1, 4])
def test_several_labels(tmp_path, classes):
    names = ("red", "green", "blue", "not red")[:classes]
    model, prepare = stock_model(classes, seed=3), preprocess(names, task=MULTI_LABEL)
    got = ask(export_serving(model, prepare, tmp_path, separator=" + "))
    want = by_hand(model, prepare, TEXTS, multi_label=True)
    np.testing.assert_allclose(got["probabilities"], want, atol=1e-5)
    labels = [" + ".join(name for name, p in zip(names, row, strict=True) if p > 0.5) for row in want]
    assert [label.decode() for label in got["label"]] == labels
    assert len(set(labels)) > 1  # of these texts some have a label and some none
    np.testing.assert_allclose(got["score"], want.max(axis=1), atol=1e-5)


def test_our_model_without_its_dropout(text_cnn):
    check_two_classes(*text_cnn)
    np.testing.assert_array_equal(ask(text_cnn[2])["probabilities"], ask(text_cnn[2])["probabilities"])


def test_a_fresh_process_without_tfconv(text_cnn, tmp_path):
    """TensorFlow alone, with neither tfconv nor Keras to be imported."""
    model, prepare, folder = text_cnn
    code = """
        import json, sys
        for name in ("tfconv", "keras"):
            sys.modules[name] = None  # an import of it fails
        import tensorflow as tf
        signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
        answers = signature(text=tf.constant(json.loads(sys.argv[2])))
        print(json.dumps([answers["probabilities"].numpy().tolist(), [x.decode() for x in answers["label"].numpy()]]))
    """
    texts = [text for text in TEXTS if isinstance(text, str)]
    command = [sys.executable, "-I", "-c", textwrap.dedent(code), str(folder), json.dumps(texts)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    got, labels = json.loads(result.stdout.splitlines()[-1])
    want = by_hand(model, prepare, texts)
    np.testing.assert_allclose(got, want, atol=1e-5)
    assert labels == [prepare.class_names[i] for i in want.argmax(axis=1)]


def test_the_session_feeds_any_shape(exported):
    """The server checks no shapes: a scalar and an (n, 1) matrix are meant as texts."""
    model, prepare, folder = exported
    with tf.Graph().as_default() as loaded, tf.compat.v1.Session() as session:
        signature = tf.compat.v1.saved_model.load(session, ["serve"], str(folder)).signature_def["serving_default"]
        given = loaded.get_tensor_by_name(signature.inputs["text"].name)._as_tf_output()
        wanted = loaded.get_tensor_by_name(signature.outputs["probabilities"].name)._as_tf_output()

        def feed(value):  # below `session.run`, which refuses what the server feeds
            return session._call_tf_sessionrun(None, {given: np.array(value, object)}, [wanted], [], None)[0]

        got = [feed([[b"good"], [b"bad film"]]), feed(b"good")]
    np.testing.assert_allclose(got[0], by_hand(model, prepare, ["good", "bad film"]), atol=1e-5)
    np.testing.assert_allclose(got[1], got[0][:1], atol=1e-6)


def test_the_folder_is_whole_and_readable(exported):
    model, prepare, folder = exported
    assert sorted(entry.name for entry in folder.iterdir()) == [
        "assets", "assets.extra", "fingerprint.pb", "saved_model.pb", "variables",
    ]  # fmt: skip
    assert folder.stat().st_mode & 0o055 == 0o055  # a server runs as another user
    assert [entry.name for entry in folder.parent.iterdir()] == ["1"]
    extra = folder / "assets.extra"
    assert json.loads((extra / "example-request.json").read_text()) == {"instances": ["Good film!"]}
    again = keras.saving.load_model(extra / "model.keras")
    loaded = type(prepare).load(extra / "preprocess")
    np.testing.assert_array_equal(by_hand(again, loaded, TEXTS[:2]), by_hand(model, prepare, TEXTS[:2]))


def test_half_precision_answers_float32(tmp_path):
    model = stock_model(3, dtype="mixed_bfloat16")
    got = ask(export_serving(model, preprocess(("a", "b", "c")), tmp_path))
    assert got["probabilities"].dtype == np.float32


def test_a_preprocessing_of_ones_own(tmp_path):
    class Lengths(tf.Module):
        """Ids are the lengths of the words."""

        def __call__(self, texts):
            words = tf.strings.split(tf.strings.join(["> ", texts]))
            return tf.minimum(tf.strings.length(words), 9).to_tensor(0)

    model = stock_model(2)
    got = ask(export_serving(model, Lengths(), tmp_path, class_names=["short", "long"]), ["a bb ccc", "dddd"])
    np.testing.assert_allclose(got["probabilities"], by_hand(model, Lengths(), ["a bb ccc", "dddd"]), atol=1e-5)


def test_onnx(exported, tmp_path):
    if not ONNX:
        with pytest.raises(InputError, match="pip install 'tfconv\\[onnx\\]'"):
            export_serving(stock_model(), preprocess(), tmp_path, onnx=True)
        assert list(tmp_path.iterdir()) == []
        return
    model, _, folder = exported
    assert (folder / "assets.extra" / "model.onnx").is_file()
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(folder / "assets.extra" / "model.onnx"))
    ids = np.array([[1, 3, 4, 0], [1, 5, 0, 0]], np.int32)
    (got,) = session.run(None, {session.get_inputs()[0].name: ids})
    np.testing.assert_allclose(got, model(ids).numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_names": ["a", "b", "c"]}, "1 outputs, which does not fit 3 classes"),
        ({"class_names": []}, "class_names is empty"),
        ({"class_names": ["a", "a"]}, "two classes have the name 'a'"),
        ({"class_names": ["a", "b\nc"]}, "line break"),
        ({"class_names": ["a|b"], "task": "multi-label"}, "another separator"),
        ({"keep": 0}, "keep must be 1 or more"),
    ],
)
def test_input_errors(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        export_serving(stock_model(), preprocess(), tmp_path / "m", **options)
    assert not (tmp_path / "m").exists()


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "m").write_text("")
    with pytest.raises(InputError, match="is a file"):
        export_serving(stock_model(), preprocess(), tmp_path / "m")


def test_a_model_that_fails_on_an_empty_text(tmp_path):
    """Keras' masked mean over no token is NaN, which would come out of the server."""
    prepare = TextPreprocess(Tokenizer(), Vocabulary(WORDS), 12, start=False, class_names=("neg", "pos"))
    with pytest.raises(InputError, match="answer to the text b'' is not finite.*start mark"):
        export_serving(stock_model(), prepare, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_vocabulary_of_another_model(tmp_path):
    prepare = preprocess()
    prepare.vocabulary = Vocabulary([*WORDS, "more"])
    with pytest.raises(InputError, match="vocabulary"):
        export_serving(stock_model(), prepare, tmp_path)
    assert list(tmp_path.iterdir()) == []
