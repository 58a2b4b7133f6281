"""The diagram of a model: every layer is in it, with its shape and parameters; masks are not."""

import re
import shutil
import sys
from xml.etree import ElementTree

import keras
import pytest
from PIL import Image

from tfconv import InputError, models
from tfconv.interpret import model_diagram

L = keras.layers
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz: apt-get install graphviz")


def texts_and_arrows(model, folder):
    """Return the lines of text of each box of the SVG, and how many arrows there are."""
    root = ElementTree.parse(model_diagram(model, folder / "model.svg")).getroot()
    groups = [group for group in root.iter() if group.tag.endswith("}g")]
    boxes = [group for group in groups if group.get("class") == "node"]
    lines = [[part.text or "" for part in box.iter() if part.tag.endswith("}text")] for box in boxes]
    return [" ".join(" ".join(box).split()) for box in lines], sum(group.get("class") == "edge" for group in groups)


@needs_dot
def test_every_layer_is_a_box_with_shape_and_parameters(tmp_path):
    model = keras.Sequential(
        [L.Input((8, 8, 3)), L.Conv2D(4, 3, name="first<&>"), L.Flatten(), L.Dense(2, name="logits")], name="small"
    )
    boxes, arrows = texts_and_arrows(model, tmp_path)
    assert boxes == ["first<&> Conv2D 6×6×4 · 112 parameters", "flatten Flatten 144", "logits Dense 2 · 290 parameters"]
    assert arrows == 2


@needs_dot
def test_operations_that_make_masks_are_left_out(tmp_path):
    model = models.ResidualTextCNN(100, blocks=3)
    boxes, arrows = texts_and_arrows(model, tmp_path)
    assert [box.split()[0] for box in boxes] == [layer.name for layer in model.layers]
    assert arrows == len(boxes) - 1  # one after the other
    assert "embedding Embedding ?×100 · 10,000 parameters" in boxes


@needs_dot
def test_shortcuts_are_kept(tmp_path):
    inputs = keras.Input((8, 8, 3))
    x = L.Conv2D(3, 3, padding="same")(inputs)
    boxes, arrows = texts_and_arrows(keras.Model(inputs, L.ReLU()(x + inputs)), tmp_path)
    assert len(boxes) == 4 and arrows == 4  # the sum has two


@needs_dot
def test_small_models_inside_are_opened_and_large_ones_are_one_box(tmp_path):
    def wrapped(depth):
        inner = keras.Sequential([L.Input((4,)), *(L.Dense(4) for _ in range(depth))], name="inner")
        inputs = keras.Input((4,))
        return keras.Model(inputs, L.Dense(2)(inner(inputs)))

    boxes, arrows = texts_and_arrows(wrapped(3), tmp_path)
    assert sum(" Dense " in box for box in boxes) == 4 and arrows == 4
    boxes, arrows = texts_and_arrows(wrapped(100), tmp_path)
    assert len(boxes) == 3 and arrows == 2 and any(box.startswith("inner Sequential 4 · 2,000") for box in boxes)


@needs_dot
def test_a_model_without_a_graph_is_one_box(tmp_path):
    class Own(keras.Model):
        def __init__(self):
            super().__init__(name="own")
            self.dense = L.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    model = Own()
    with pytest.raises(InputError, match="'own' is not built"):
        model_diagram(model, tmp_path / "model.png")
    model(keras.ops.zeros((1, 3)))
    boxes, _ = texts_and_arrows(model, tmp_path)
    assert len(boxes) == 1 and re.match(r"own Own.*8 parameters", boxes[0])


@needs_dot
def test_a_long_model_fits_a_metre(tmp_path):
    model = keras.Sequential([L.Input((4,)), *(L.Dense(4) for _ in range(150))])
    path = model_diagram(model, tmp_path / "new" / "model.png")
    with Image.open(path) as image:
        assert 3000 < image.height <= 4410  # 40 inches of 110 dots
        assert image.getpixel((0, 0))[:3] == (255, 255, 255)
    assert [entry.name for entry in path.parent.iterdir()] == ["model.png"]


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    model = keras.Sequential([L.Input((4,)), L.Dense(2)])
    with pytest.raises(InputError, match=r"model.docx: a diagram can be written as .png, .svg"):
        model_diagram(model, tmp_path / "model.docx")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(InputError, match="Graphviz's `dot`, not installed: apt-get install graphviz"):
            model_diagram(model, tmp_path / "model.png")
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(InputError, match="pip install pydot"):
        model_diagram(model, tmp_path / "model.png")
    assert not list(tmp_path.iterdir())
