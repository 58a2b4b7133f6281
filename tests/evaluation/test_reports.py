"""The report: numbers equal those computed by hand, files open with the tools they are made for."""

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.pr_curve import metadata as pr_curve_plugin

import tfconv.evaluation as evaluation
from tfconv.errors import InputError


def small_model(outputs):
    keras.utils.set_random_seed(1)
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(30, 6, mask_zero=True, embeddings_initializer="normal")(ids)
    return keras.Model(ids, keras.layers.Dense(outputs)(keras.layers.GlobalAveragePooling1D()(x)) * 9)


def small_data(classes, *, multi_label=False, n=70, widths=(5, 9)):
    """Batches of two widths, as bucketing makes them."""
    rng = np.random.default_rng(2)
    batches = []
    for start in range(0, n, 16):
        size = min(16, n - start)
        ids = rng.integers(1, 30, (size, widths[start // 16 % 2])).astype(np.int32)
        labels = (
            rng.integers(0, 2, (size, classes)).astype(np.float32) if multi_label else rng.integers(0, classes, size)
        )
        batches.append((ids, labels))
    width = tf.TensorSpec([None, None], tf.int32)
    spec = tf.TensorSpec([None, classes], tf.float32) if multi_label else tf.TensorSpec([None], tf.int32)
    return tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=(width, spec)), batches


@pytest.mark.parametrize(("classes", "outputs"), [(2, 1), (2, 2), (7, 7)])
def test_report_of_exclusive_classes(tmp_path, classes, outputs, capsys):
    model, (dataset, batches) = small_model(outputs), small_data(classes)
    names = [f"class {i} | $x$ <b>" for i in range(classes)]
    about = {"data": "reviews, test", "run": "runs/a"}
    got = evaluation.report(model, dataset, tmp_path, class_names=names, about=about)
    logits = np.concatenate([model(ids, training=False).numpy() for ids, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    if classes == 2:
        margin = logits[:, 0] if outputs == 1 else logits[:, 1] - logits[:, 0]
        want, predicted = evaluation.binary_metrics(labels, margin), (margin > 0).astype(int)
    else:
        want, predicted = evaluation.many_class_metrics(labels, logits), logits.argmax(axis=1)
    assert got["metrics"] == pytest.approx(want, abs=1e-6)
    assert got["confusion"] == evaluation.confusion_matrix(labels, predicted, classes).tolist()
    assert got["examples"] == 70 == sum(row["support"] for row in got["classes"].values())
    assert json.loads((tmp_path / "scores.json").read_text()) == got
    images = {"pr_curve.png", "confusion.png"} | ({"roc.png"} if classes == 2 else set())
    assert {file.name for file in tmp_path.glob("*.png")} == images
    for name in images:
        Image.open(tmp_path / name).verify()
    text = (tmp_path / "report.md").read_text()
    assert set(re.findall(r"\((\w+\.png)\)", text)) == images
    assert f"| accuracy | {want['accuracy']:.4f} |" in text
    assert got["about"] == {"data": "reviews, test", "run": "runs/a"} and "- run: runs/a\n- examples: 70\n" in text
    if classes == 2:  # precision and recall are of one class, which must be said
        assert f"| precision of class 1 \\| $x$ <b> | {want['precision']:.4f} |" in text
        evaluation.print_scores(got)
        assert "recall of class 1 | $x$ <b>" in capsys.readouterr().out
    for table in text.split("\n\n"):  # a "|" in a name must not open a new cell
        rows = [re.sub(r"\\\|", "", row).count("|") for row in table.splitlines() if row.startswith("|")]
        assert len(set(rows)) <= 1


def test_report_of_several_labels(tmp_path):
    model, (dataset, batches) = small_model(3), small_data(3, multi_label=True)
    got = evaluation.report(model, dataset, tmp_path, class_names=["a", "b", "c"], task="multi-label")
    logits = np.concatenate([model(ids, training=False).numpy() for ids, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    assert got["metrics"] == pytest.approx(evaluation.multi_label_metrics(labels, logits), abs=1e-6)
    assert got["classes"]["b"]["auc"] == pytest.approx(evaluation.auc(labels[:, 1], logits[:, 1]))
    assert "confusion" not in got
    assert {file.name for file in tmp_path.glob("*.png")} == {"pr_curve.png"}


@pytest.mark.filterwarnings("ignore:html5lib:DeprecationWarning")  # TensorBoard's own import
@pytest.mark.parametrize(("classes", "tags"), [(2, ["pr_curve"]), (3, ["pr_curve/a", "pr_curve/b", "pr_curve/c"])])
def test_tensorboard_shows_the_curves(tmp_path, classes, tags):
    model, (dataset, batches) = small_model(1 if classes == 2 else classes), small_data(classes)
    for _ in range(2):  # the second report replaces the first
        evaluation.report(model, dataset, tmp_path, class_names="abc"[:classes])
    accumulator = EventAccumulator(str(tmp_path / "logs"))
    accumulator.Reload()
    assert sorted(accumulator.PluginTagToContent("pr_curves")) == tags
    assert len(list((tmp_path / "logs").iterdir())) == 1
    content = accumulator.SummaryMetadata(tags[-1]).plugin_data.content
    assert pr_curve_plugin.parse_plugin_metadata(content).num_thresholds == 21
    (event,) = accumulator.Tensors(tags[-1])
    counts = tf.make_ndarray(event.tensor_proto)
    labels = np.concatenate([labels for _, labels in batches])
    p = evaluation.probabilities(np.concatenate([model(ids, training=False).numpy() for ids, _ in batches]))[:, -1]
    np.testing.assert_allclose(counts, evaluation.threshold_counts(labels == classes - 1, p), atol=1e-6)
    plugin_reads_it(tmp_path, tags[-1], counts)


def plugin_reads_it(directory, tag, counts):
    """Ask the plugin itself, through TensorBoard's own data provider."""
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.pr_curve.pr_curves_plugin import PrCurvesPlugin

    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(directory))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(directory))
    plugin = PrCurvesPlugin(TBContext(data_provider=provider, logdir=str(directory)))
    curves = plugin.pr_curves_impl(RequestContext(), "experiment", ["logs"], tag)
    (shown,) = curves["logs"]
    keep = slice(0, len(shown["precision"]))  # the plugin drops thresholds without a prediction
    np.testing.assert_allclose(shown["precision"], counts[4][keep], atol=1e-6)
    np.testing.assert_allclose(shown["true_positives"], counts[0][keep])
    assert len(shown["thresholds"]) >= 2


def test_undefined_numbers_are_null(tmp_path):
    ids = np.ones((4, 3), np.int32)
    dataset = tf.data.Dataset.from_tensors((ids, np.zeros(4, np.int32)))
    got = evaluation.report(small_model(1), dataset, tmp_path, class_names=["neg", "pos"])
    assert got["metrics"]["auc"] is None
    assert "| auc | n/a |" in (tmp_path / "report.md").read_text()
    assert "NaN" not in (tmp_path / "scores.json").read_text()


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (lambda data: data.take(0), "empty"),
        (lambda data: data.map(lambda ids, labels: ids), "no labels"),
        (lambda data: data.map(lambda ids, labels: (ids, labels * 0 - 1)), "got -1"),
    ],
)
def test_data_that_cannot_be_scored(tmp_path, dataset, message):
    with pytest.raises(InputError, match=message):
        evaluation.report(small_model(1), dataset(small_data(2)[0]), tmp_path / "out", class_names=["neg", "pos"])
    assert not (tmp_path / "out").exists()


def test_metrics_load_no_tensorflow():
    import subprocess
    import sys

    code = "import sys, tfconv.evaluation as e; e.binary_metrics([0, 1], [1., 2.]); print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
