"""Figures: no two texts overlap, whatever the class names; the curves are the computed ones."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tfconv.evaluation import metrics
from tfconv.evaluation import metrics as curves
from tfconv.evaluation.figures import confusion_figure, plain_label, pr_curve_figure, roc_curve_figure

LONG = [f"a very long class name, number {i}, of $20$ ☃ 漢字 🙂" for i in range(20)]


def texts_of(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    found = figure.findobj(lambda artist: hasattr(artist, "get_window_extent") and hasattr(artist, "get_fontsize"))
    drawn = [text for text in found if text.get_visible() and text.get_text()]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in drawn], figure.bbox


def examples(classes, n=400):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes))
    logits[np.arange(n), labels] += 1
    return labels, logits


@pytest.mark.parametrize("classes", [2, 4, 20, 70])
@pytest.mark.parametrize("kind", ["pr", "roc", "confusion"])
def test_no_text_overlaps_or_leaves_the_figure(classes, kind):
    names = (LONG * 4)[:classes]
    labels, logits = examples(classes)
    if kind == "confusion":
        figure = confusion_figure(metrics.confusion_matrix(labels, logits.argmax(axis=1), classes) * 12345, names)
    else:
        draw = pr_curve_figure if kind == "pr" else roc_curve_figure
        figure = draw(np.eye(classes)[labels], logits, names)
    texts, bounds = texts_of(figure)
    for index, (text, box) in enumerate(texts):
        assert bounds.x0 - 1 <= box.x0 and box.x1 <= bounds.x1 + 1, text
        assert bounds.y0 - 1 <= box.y0 and box.y1 <= bounds.y1 + 1, text
        for other, other_box in texts[index + 1 :]:
            width = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
            height = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
            assert min(width, height) <= 1, (text, other)


def test_the_drawn_curve_is_the_computed_one():
    labels, logits = examples(2)
    margin = logits[:, 1] - logits[:, 0]
    drawn = pr_curve_figure(labels, margin, ["no", "yes"]).axes[0].lines[0]
    precision, recall, _ = curves.pr_curve(labels, margin)
    np.testing.assert_array_equal(drawn.get_xdata()[1:], recall)
    np.testing.assert_array_equal(drawn.get_ydata()[1:], precision)
    assert f"{curves.average_precision(labels, margin):.3f}" in drawn.get_label()
    drawn = roc_curve_figure(labels, margin, ["no", "yes"]).axes[0].lines[0]
    assert f"{curves.auc(labels, margin):.3f}" in drawn.get_label()


def test_a_class_without_examples_is_named_so():
    labels, logits = examples(3)
    indicators = np.eye(4)[labels]
    figure = pr_curve_figure(indicators, np.pad(logits, [(0, 0), (0, 1)]), ["a", "b", "c", "empty"])
    shown = " ".join(text for text, _ in texts_of(figure)[0])
    assert "a (AP" in shown
    roc_curve_figure(indicators, np.pad(logits, [(0, 0), (0, 1)]), ["a", "b", "c", "empty"])


def test_several_models_on_one_set_of_labels():
    labels, logits = examples(2)
    figure = pr_curve_figure(np.stack([labels] * 2, axis=1), logits, ["bag of words", "CNN"], title="Four models")
    assert figure.axes[0].get_title() == "Four models"
    assert [line.get_label().split(" (")[0] for line in figure.axes[0].lines] == ["bag of words", "CNN"]


def test_plain_label():
    assert plain_label("a\tb\n c") == "a b c"
    assert plain_label("$x$") == r"\$x\$"
    assert plain_label("\x00漢") == "□□"
    assert plain_label("") == "(empty)"
    assert plain_label("abcdefghijklmnop", 10) == "abcdef…nop"


def test_pyplot_is_never_loaded():
    import subprocess
    import sys

    code = "import sys, tfconv.evaluation.figures; print('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
