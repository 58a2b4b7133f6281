"""Every recipe runs to its end on synthetic data, and each one's page holds to its form."""

import ast
import functools
import importlib
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
import tensorflow as tf

import tfconv
from tfconv import data

ROOT = Path(__file__).parents[2]
RECIPES = sorted(path.stem for path in (ROOT / "recipes").glob("*.py"))

# Settings that make a recipe short; a recipe without an entry here fails.
SHORT = {
    "cifar10_architectures": {"epochs": 1},
    "cifar10_mini_alexnet": {"epochs": 4, "batch_size": 32, "normalization": "batch"},
    "cifar10_resnet": {"epochs": 3, "batch_size": 128, "first_width": 16, "later_width": 32},
    "cifar10_transfer": {
        "depth": 8,
        "width": 8,
        "images_a_class": 280,
        "small_epochs": 1,
        "backbone_epochs": 3,
        "head_epochs": 3,
        "part_epochs": 1,
        "epochs": 4,
        "scratch_epochs": 1,
        "batch_size": 32,
    },
    "imdb_char_cnn": {"epochs": 1, "length": 120},
    "imdb_onehot_cnn": {"epochs": 2, "filters": 8},
    "imdb_text_cnn": {"epochs": 3, "length": 60},
    "imdb_workflow": {"epochs": 3, "linear_epochs": 1, "explained": 20},
    "sentence_classification": {"folds": 2, "sets": ("mr", "trec")},
}

# Fewer examples than synthetic data have by default; no score of the first two is looked at.
FEWER = {
    "cifar10_architectures": {"synthetic_shapes": 300},
    "imdb_char_cnn": {"synthetic_reviews": 600},
    "imdb_onehot_cnn": {"synthetic_reviews": 600},
}
LEAST = {"cifar10_mini_alexnet": 0.5, "cifar10_resnet": 0.7, "cifar10_transfer": 0.45}  # where guessing has 0.1 or 0.2


@pytest.fixture
def recipe(request, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    monkeypatch.chdir(tmp_path)
    return importlib.import_module(request.param)


def test_every_recipe_is_tried():
    assert RECIPES == sorted(SHORT)


@pytest.mark.parametrize("recipe", RECIPES, indirect=True)
def test_recipe_runs_on_synthetic_data(recipe, tmp_path, capsys, monkeypatch):
    name, more = recipe.__name__, {}
    if name in ("imdb_text_cnn", "imdb_onehot_cnn", "sentence_classification", "cifar10_mini_alexnet"):
        more["export_to"] = tmp_path / "exported"
    if name == "imdb_workflow":
        words = ["truly", "very", "not", "funny", "bad"]
        (tmp_path / "vectors.txt").write_text("\n".join(f"{word} {' '.join(['0.1'] * 50)}" for word in words))
        more["vectors"] = tmp_path / "vectors.txt"
    for source, number in FEWER.get(name, {}).items():
        monkeypatch.setattr(data, source, functools.partial(getattr(data, source), number))
    result = recipe.main(recipe.Config(data="synthetic", **SHORT[name], **more))
    out = capsys.readouterr().out
    assert max(map(len, out.replace(str(tmp_path), "").splitlines())) <= 120
    if name in LEAST:
        assert result["scores"]["test"]["accuracy"] > LEAST[name]
        assert (tmp_path / "runs" / name / "report" / "curves.png").exists()
    if name == "cifar10_mini_alexnet":
        assert "the reloaded SavedModel says" in out and (tmp_path / "exported" / "1" / "saved_model.pb").exists()
    if name == "cifar10_architectures":
        parameters = {"fully connected": 123_330, "convolutional": 37_490}
        assert len(result) == 5 and all(f"{count:,}" in out for count in parameters.values())
        layers = (tmp_path / "runs" / name / "residual" / "report" / "layers.txt").read_text()
        assert "stem" in layers and "logits" in layers
    if name == "imdb_text_cnn":
        assert result["scores"]["test"]["accuracy"] > 0.97
        assert json.loads((tmp_path / "runs" / name / "result.json").read_text())["scores"] == result["scores"]
        assert "the reloaded SavedModel says" in out and (tmp_path / "exported" / "1" / "saved_model.pb").exists()
    if name == "imdb_onehot_cnn":
        assert result["scores"]["test"]["accuracy"] > 0.95
        served = tf.saved_model.load(str(tmp_path / "exported" / "1")).signatures["serving_default"]
        assert served(text=tf.constant(["not very bad at all"]))["label"].numpy() == [b"pos"]
    if name == "sentence_classification":
        assert {key: made["trainings"] for key, made in result.items()} == {"mr": 2, "trec": 1}
        assert all(made["accuracy"] > 0.75 for made in result.values())
        assert (tmp_path / "exported" / "trec" / "1" / "saved_model.pb").exists()
    if name == "imdb_workflow":
        accuracy = {model: made["scores"]["test"]["accuracy"] for model, made in result.items()}
        assert len(accuracy) == 4
        assert accuracy["CNN"] > 0.9 > 0.8 > accuracy["linear bag of words"]
        assert accuracy["embedding bag of words"] < 0.8
        assert {path.name for path in (tmp_path / "runs" / name).glob("*.png")} == {
            "pr_curves.png",
            "tokens_cnn.png",
            "tokens_linear.png",
        }


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_one_page_on_public_names(name):
    text = (ROOT / "recipes" / f"{name}.py").read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 150
    assert "Claim: " in ast.get_docstring(tree)
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {"make_data", "main"} <= functions
    # A parameter or variable may be called like a package, such as `data`.
    bound = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    bound |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tfconv"):
            module = importlib.import_module(node.module)
            assert all(alias.name in module.__all__ for alias in node.names), ast.unparse(node)
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), ast.unparse(node)
            room = re.fullmatch(r"(?:tfconv\.)?(\w+)", ast.unparse(node.value))
            if room and room[1] in tfconv.__all__ and isinstance(module := getattr(tfconv, room[1]), ModuleType):
                shadowed = room[1] in bound and not ast.unparse(node.value).startswith("tfconv.")
                assert shadowed or node.attr in module.__all__, ast.unparse(node)
