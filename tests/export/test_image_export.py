"""Exports of image classifiers that are refused before anything is published."""

import pytest
from small_classifiers import image_model, image_preprocess, stock_model

from tfconv.errors import InputError
from tfconv.export import ExportError, export_serving
from tfconv.kinds.images import serving as image_graph


def test_a_broken_graph_is_not_published(tmp_path, monkeypatch):
    real = image_graph.pixel_graph

    def wrapped(*args, **kwargs):
        answer = real(*args, **kwargs)
        return lambda pixels: answer(255 - pixels)

    monkeypatch.setattr(image_graph, "pixel_graph", wrapped)
    with pytest.raises(ExportError, match="differ from the live model"):
        export_serving(image_model(), image_preprocess(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "prepare", "options", "message"),
    [
        (image_model, lambda: image_preprocess(crop=None), {}, r"takes inputs of shape \(16, 16, 3\).*\(20, 20, 3\)"),
        (stock_model, image_preprocess, {}, r"takes inputs of shape \(None,\).*images of \(16, 16, 3\)"),
        (image_model, image_preprocess, {"samples": [b"none"]}, "image 0 is no whole JPEG"),
        (image_model, lambda: image_preprocess("abc"), {}, "1 outputs, which does not fit 3 classes"),
    ],
)
def test_input_errors(tmp_path, model, prepare, options, message):
    with pytest.raises(InputError, match=message):
        export_serving(model(), prepare(), tmp_path, **options)
    assert list(tmp_path.iterdir()) == []
