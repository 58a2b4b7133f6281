"""What the benchmarks measure with: turns, medians, ratios, table, rows; and one real system through it."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "recipes" / "benchmarks"


@pytest.fixture
def side_by_side(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("side_by_side")


def scripted(seconds, log):
    """A system that notes its turn in a file and says it took `seconds`, and noise before it is ready."""
    code = f"""
import sys
print("some library's greeting", flush=True)
print("ready", flush=True)
for _ in sys.stdin:
    open({str(log)!r}, "a").write("{seconds} ")
    print({seconds}, flush=True)
"""
    return [sys.executable, "-c", code]


def test_systems_take_turns_and_ratios_are_those_of_medians(side_by_side, tmp_path, capsys):
    log = tmp_path / "turns"
    seconds = side_by_side.take_turns({"ours": scripted(0.5, log), "theirs": scripted(2.0, log)}, 3)
    assert seconds == {"ours": [0.5] * 3, "theirs": [2.0] * 3}
    assert log.read_text().split() == ["0.5", "2.0"] * 3
    out = capsys.readouterr().out.splitlines()  # each turn as it is measured: the whole takes minutes
    assert len(out) == 6 and out[1] == "turn 1 of 3     2.000 s  theirs"
    seconds["theirs"] = [2.0, 100.0, 1.0]
    rows = side_by_side.rows_of("a net", "steps/s", 10, seconds, reference="ours")
    assert rows == [
        {"row": "a net", "system": "ours", "median": 20.0, "unit": "steps/s", "ratio": 1.0},
        {"row": "a net", "system": "theirs", "median": 5.0, "unit": "steps/s", "ratio": 4.0},
    ]
    side_by_side.report("Title", rows, tmp_path / "rows.json", ["a note " * 30])
    assert json.loads((tmp_path / "rows.json").read_text()) == rows
    out = capsys.readouterr().out
    assert "4.00" in out and max(map(len, out.splitlines())) <= 100


def test_a_system_that_stops_is_named_with_its_last_words(side_by_side):
    command = [sys.executable, "-c", "raise SystemExit('no such network')"]
    with pytest.raises(RuntimeError, match="theirs stopped with status 1:\nno such network"):
        side_by_side.take_turns({"theirs": command}, 1)


def test_readme_is_filled_from_the_rows(side_by_side, monkeypatch, tmp_path):
    readme = importlib.import_module("readme")
    target = tmp_path / "README.md"
    target.write_text("before\n<!-- speed -->\nold\n<!-- end -->\nafter\n")
    monkeypatch.setattr(readme, "README", target)
    (tmp_path / "speed.json").write_text(
        json.dumps([{"row": "a net", "system": "ours", "median": 20.0, "unit": "steps/s", "ratio": 1.0}])
    )
    readme.main([tmp_path / "speed.json"])
    text = target.read_text()
    assert "| a net | ours | 20 | steps/s | 1.00 |" in text and "old" not in text
    assert text.startswith("before\n") and text.endswith("<!-- end -->\nafter\n")
    with pytest.raises(SystemExit, match="has no line <!-- rows -->"):
        readme.main([tmp_path / "rows.json"])


def test_image_training_measures_a_real_system(side_by_side, monkeypatch):
    image_training = importlib.import_module("image_training")
    monkeypatch.setattr(image_training, "SYSTEMS", {"tfconv fit": ("tfconv", {})})
    config = image_training.Config(data="shapes", batch_size=4, steps=3, turns=2)
    source, images, labels = image_training.make_data(config)
    assert "shapes" in source and images.shape == (3, 4, 32, 32, 3) and abs(images.mean()) < 0.5
    rows = image_training.compare(config, "six", "float32", images, labels)
    assert len(rows) == 1 and rows[0]["median"] > 0 and rows[0]["ratio"] == 1


@pytest.mark.parametrize("network", ["alexnet", "six", "resnet20"])
def test_systems_train_networks_of_one_size(side_by_side, network):
    systems = importlib.import_module("image_training_systems")
    ours, stock = systems.tfconv_model(network, "float32"), systems.stock_model(network)
    assert ours.count_params() == stock.count_params() and ours.output_shape == stock.output_shape
    shapes = [sorted(tuple(weight.shape) for weight in model.weights) for model in (ours, stock)]
    assert shapes[0] == shapes[1]


def test_text_training_measures_a_real_system(side_by_side, monkeypatch):
    text_training = importlib.import_module("text_training")
    monkeypatch.setitem(text_training.SYSTEMS, "linear", {"tfconv fit": ("tfconv", 1, {})})
    config = text_training.Config(data="zipf", batch_size=2, turns=2)
    source, ids, labels = text_training.make_data(config)
    assert "synthetic" in source and ids.shape == (400, 400) and 0 < np.mean(ids == 0) < 0.5
    rows = text_training.compare(config, "row", "linear", 3, ids, labels)
    assert len(rows) == 1 and rows[0]["median"] > 0 and rows[0]["ratio"] == 1


def test_every_system_augments_each_image_independently(side_by_side):
    augmentation = importlib.import_module("augmentation")
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for system in augmentation.SYSTEMS.values():
        dataset = augmentation.make_pipeline(system, np.stack([image] * 64), 32)
        for batch in dataset:
            assert batch.shape == (32, 32, 32, 3)
            assert len(np.unique(np.reshape(batch, (32, -1)), axis=0)) > 16, system
