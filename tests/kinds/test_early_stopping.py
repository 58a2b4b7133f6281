"""Early stopping of `tfconv train` looks at the validation split: other test labels change nothing but the score."""

import csv
import json
import random

import pytest
from command_line import status


def write_opinions(path, flip_test):
    rng = random.Random(0)
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label", "split"])
        for i in range(240):
            split = ("train", "train", "train", "validation", "test")[i % 5]
            label = rng.random() < 0.5
            seen = label ^ (rng.random() < 0.15)  # noise, so that there is something to over-fit
            words = [rng.choice(("good", "fine") if seen else ("bad", "poor")), f"w{rng.randrange(60)}", f"v{i % 37}"]
            rows.writerow([" ".join(words), "pos" if label ^ (flip_test and split == "test") else "neg", split])
    return path


def test_training_stops_by_validation_and_not_by_test(tmp_path):
    results = []
    for flip in (False, True):
        path, run = write_opinions(tmp_path / f"{flip}.csv", flip), tmp_path / f"run-{flip}"
        options = ("--split", "split", "--epochs", 12, "--learning-rate", 0.002, "--batch-size", 1)
        assert status("train", "text", path, "--run", run, "--model", "bag-of-words-mlp", *options) == 0
        results.append(json.loads((run / "result.json").read_text()))
    one, two = results
    held = one["history"]["val_loss"]
    assert one["epochs"] < 12 and held.index(min(held)) == one["epochs"] - 3  # the default patience is 2
    assert two["history"]["val_loss"] == pytest.approx(held, rel=1e-3)
    assert one["scores"]["test"]["accuracy"] == pytest.approx(1 - two["scores"]["test"]["accuracy"], abs=0.03)
