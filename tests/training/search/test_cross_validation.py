"""Cross-validation against NumPy's mean and deviation, its order and seeds, and its resumption."""

import json
import math

import keras
import numpy as np
import pytest
from stored_images import three_classes
from warm_processes import run

from tfconv import InputError, training
from tfconv.data import synthetic_reviews
from tfconv.training import CrossValidation, RunSettings
from tfconv.training.runs.run import taken


def cross_validated(train_one, data, directory=None, settings=None, resume=False, overwrite=False, **options):
    """`cross_validate`, with what is written in plain arguments."""
    run = None if directory is None else RunSettings(directory, settings, resume=resume, overwrite=overwrite)
    return training.cross_validate(train_one, data, run=run, **options)


class Counted:
    """A `train_one` that scores by what it was given, and can be stopped."""

    def __init__(self, stop_at=None, split="validation"):
        self.seen, self.stop_at, self.split = [], stop_at, split

    def __call__(self, data, directory):
        if len(self.seen) == self.stop_at:
            raise KeyboardInterrupt
        held = data.examples[self.split]
        texts = held.texts if hasattr(held, "texts") else held.pixels[:, 0, 0, 0].tolist()
        self.seen.append((texts, directory))
        return {"size": float(len(texts)), "drawn": float(np.random.random()), "none": None}


def test_every_fold_is_trained_once_and_the_figures_are_numpy_s():
    data = synthetic_reviews(75)
    train_one = Counted()
    found = cross_validated(train_one, data, folds=4, seed=3)
    assert list(found.scores) == ["fold-1", "fold-2", "fold-3", "fold-4"]
    held = [text for texts, _ in train_one.seen for text in texts]
    assert sorted(held) == sorted(data.examples["train"].texts + data.examples["validation"].texts)
    for index, (texts, directory) in enumerate(train_one.seen):
        assert texts == data.fold(index, 4, seed=3).examples["validation"].texts and directory is None
    drawn = [scores["drawn"] for scores in found.scores.values()]
    assert found.mean["drawn"] == pytest.approx(np.mean(drawn)) and found.sd["drawn"] == pytest.approx(
        np.std(drawn, ddof=1)
    )
    assert len(set(drawn)) == 4 and math.isnan(found.mean["none"]) and math.isnan(found.sd["none"])
    assert cross_validated(Counted(), data, folds=4, seed=3) == found


def test_repeats_draw_other_folds_and_other_splits():
    data = three_classes()
    train_one = Counted()
    found = cross_validated(train_one, data, folds=3, repeats=2)
    assert list(found.scores) == [f"repeat-{r}-fold-{f}" for r in (1, 2) for f in (1, 2, 3)]
    first, second = ([sorted(texts) for texts, _ in train_one.seen[part]] for part in (slice(3), slice(3, 6)))
    assert sorted(sum(first, [])) == sorted(sum(second, [])) and first != second
    train_one = Counted(split="test")
    found = cross_validated(train_one, data, folds=None, repeats=3, held_out="test")
    assert list(found.scores) == ["repeat-1", "repeat-2", "repeat-3"]
    assert found.mean["size"] == len(data.examples["test"]) and found.sd["size"] == 0
    assert train_one.seen[0][0] != train_one.seen[1][0]


def test_a_stopped_cross_validation_goes_on_where_it_was(tmp_path):
    data, settings = synthetic_reviews(60), {"learning_rate": 0.1, "resume": False}
    whole = cross_validated(Counted(), data, folds=4, directory=tmp_path / "whole", settings=settings)
    with pytest.raises(KeyboardInterrupt):
        cross_validated(Counted(stop_at=2), data, folds=4, directory=tmp_path / "cut", settings=settings)
    rest = Counted()
    found = cross_validated(
        rest, data, folds=4, directory=tmp_path / "cut", settings={**settings, "resume": True}, resume=True
    )
    assert found == whole  # the random numbers of a fold do not depend on those before it
    assert [directory.name for _, directory in rest.seen] == ["fold-3", "fold-4"]
    one, two = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("whole", "cut"))
    assert one == two and one["scores"] == found.scores
    assert one["mean"]["drawn"] == found.mean["drawn"] and one["sd"]["none"] is None
    again = Counted()
    assert cross_validated(again, data, folds=4, directory=tmp_path / "cut", settings=settings, resume=True) == found
    assert again.seen == []


def test_a_mistake_in_the_first_training_leaves_all_as_it_was(tmp_path):
    data, folder = synthetic_reviews(60), tmp_path / "cv"

    def mistaken(data, directory):
        with taken(directory):  # as `fit` does before it refuses something
            raise InputError("no such layer group")

    with pytest.raises(InputError, match="no such layer group"):
        cross_validated(mistaken, data, folds=3, directory=folder)
    assert [path.name for path in folder.iterdir()] == [".lock"]

    def trained(data, directory):
        directory.mkdir(exist_ok=True)
        (directory / "model").write_text("trained")
        return {"accuracy": 0.5}

    cross_validated(trained, data, folds=3, directory=folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="no such layer group"):
        cross_validated(mistaken, data, folds=2, directory=folder, overwrite=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    with taken(folder), pytest.raises(InputError, match="another process is training into"):
        cross_validated(trained, data, folds=2, directory=folder, overwrite=True)


def test_what_a_killed_process_set_aside_is_removed_or_put_back(tmp_path):
    data, folder = synthetic_reviews(60), tmp_path / "cv"

    def killed_by(when):
        """Sets the three trainings aside to replace them, and is killed as by `kill -9`."""
        code = """
import os, sys
from tfconv.data import synthetic_reviews
from tfconv.training import RunSettings, cross_validate
from tfconv.training.search import cross_validation as module
end = lambda *_: os._exit(9)
if sys.argv[2] == "writing":
    module._write = end
cross_validate(end, synthetic_reviews(60), folds=3, run=RunSettings(sys.argv[1], overwrite=True))
"""
        assert run(["-c", code, folder, when]).returncode == 9
        assert len(list(folder.glob(".replaced-*/fold-*"))) == 3

    def trained(data, directory):
        directory.mkdir()
        return {"accuracy": 0.5}

    cross_validated(trained, data, folds=3, directory=folder)
    killed_by("writing")  # of the new summary, so that the old one still holds
    cross_validated(trained, data, folds=3, directory=folder, resume=True)
    whole = {".lock", "summary.json", "fold-1", "fold-2", "fold-3"}
    assert {path.name for path in folder.iterdir()} == whole
    killed_by("training")
    assert json.loads((folder / "summary.json").read_text())["scores"] == {}
    cross_validated(trained, data, folds=3, directory=folder, resume=True)
    assert {path.name for path in folder.iterdir()} == whole


def test_names_of_layers_do_not_depend_on_the_trainings_before():
    before, names = keras.layers.Dense(1), []

    def train_one(data, directory):
        names.append(keras.layers.Dense(1).name)
        return {"accuracy": 0.5}

    cross_validated(train_one, synthetic_reviews(60), folds=3)
    assert names == ["dense_1"] * 3 and before.name == "dense"  # so that a model may hold both


def test_a_folder_in_use_or_of_other_settings_is_refused(tmp_path):
    data = synthetic_reviews(60)
    options = {"folds": 3, "directory": tmp_path / "cv", "settings": {"rate": 1, "data": "x"}}
    cross_validated(Counted(), data, **options)
    with pytest.raises(InputError, match=r"holds a cross-validation already: .*--resume"):
        cross_validated(Counted(), data, **options)
    changes = {"folds": 4, "repeats": 2, "seed": 1, "held_out": "test", "settings": {"rate": 2, "data": "x"}}
    for name, value in changes.items():
        named = "rate" if name == "settings" else name
        with pytest.raises(InputError, match=rf"was started with {named}="):
            cross_validated(Counted(split="test"), data, resume=True, **{**options, name: value})
    with pytest.raises(InputError, match="was started with examples="):
        cross_validated(Counted(), synthetic_reviews(70), resume=True, **options)
    (tmp_path / "cv" / "fold-3").mkdir()
    (tmp_path / "cv" / "notes").mkdir()
    fewer = Counted()
    assert len(cross_validated(fewer, data, **{**options, "folds": 2}, overwrite=True).scores) == 2 == len(fewer.seen)
    assert not (tmp_path / "cv" / "fold-3").exists() and (tmp_path / "cv" / "notes").exists()
    for text in ("[1]", '{"about": {}, "scores": {}}', '{"about": 5, "scores": []}'):
        (tmp_path / "cv" / "summary.json").write_text(text)
        with pytest.raises(InputError, match="is no summary of a cross-validation"):
            cross_validated(Counted(), data, resume=True, **options)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds a run of one training"):
        cross_validated(Counted(), data, directory=tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds must be a whole number from 2"),
        ({"folds": 1000}, "at most that of the examples, 48; got 1000"),
        ({"repeats": 0}, "repeats must be a whole number from 1"),
        ({"folds": None}, "repeats must be 2 or more where there are no folds, got 1"),
        ({"seed": -1}, "seed must be a whole number from 0"),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_written(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        cross_validated(Counted(), synthetic_reviews(60), directory=tmp_path / "cv", **options)
    assert not (tmp_path / "cv").exists()


def test_scores_must_be_numbers():
    for wrong in ("0.9", True, [0.9]):
        with pytest.raises(ValueError, match="train_one must give numbers by name, got .* for 'accuracy'"):
            cross_validated(lambda data, directory, wrong=wrong: {"accuracy": wrong}, synthetic_reviews(30))
    found = cross_validated(lambda data, directory: {"a": np.float32(0.5), "n": np.int64(3)}, synthetic_reviews(30))
    assert found.mean == {"a": 0.5, "n": 3.0} and json.dumps(found.scores)


def test_the_table_holds_every_score_within_100_columns():
    rng = np.random.default_rng(0)
    names = [f"macro/some_long_metric_{i}" for i in range(9)] + ["accuracy", "examples"]
    scores = {f"repeat-{r}-fold-{f}": {n: float(rng.random()) for n in names} for r in (1, 2) for f in range(1, 11)}
    for part in scores.values():
        part["examples"] = 40
    scores["repeat-1-fold-1"]["accuracy"] = None
    found = CrossValidation(scores)
    table = found.table()
    lines = table.splitlines()
    assert max(map(len, lines)) <= 100 and all(name in table for name in names)
    columns = {}
    for block in table.split("\n\n"):
        head, *rows = (line.split() for line in block.splitlines())
        for number, name in enumerate(head):
            columns[name] = {row[0]: row[1 + number] for row in rows}
    for name in names:
        values = [part[name] for part in scores.values() if part[name] is not None]
        assert float(columns[name]["mean"]) == pytest.approx(np.mean(values), abs=6e-5)
        assert float(columns[name]["sd"]) == pytest.approx(np.std(values, ddof=1), abs=6e-5)
        assert all(
            columns[name][turn] == ("-" if v[name] is None else columns[name][turn]) for turn, v in scores.items()
        )
    assert columns["examples"]["repeat-2-fold-10"] == "40" and columns["accuracy"]["repeat-1-fold-1"] == "-"


def test_real_trainings_in_folders_of_their_own(tmp_path):
    data = synthetic_reviews(120).prepare(length=30, batch_size=16)
    read = []

    def train_one(fold, directory):
        """Stops by the validation split; the test split is read once, at the end."""
        model = keras.Sequential(
            [
                keras.layers.Input((None,)),
                keras.layers.Embedding(len(fold.preprocess.vocabulary), 8),
                keras.layers.Conv1D(8, 3, activation="relu", padding="same"),
                keras.layers.GlobalMaxPooling1D(),
                keras.layers.Dense(1),
            ]
        )
        stop = keras.callbacks.EarlyStopping("val_loss", patience=0, restore_best_weights=True)
        history = training.fit(
            model,
            fold.train,
            validation_data=fold.validation,
            epochs=3,
            callbacks=[stop],
            run_dir=directory,
            preprocess=fold.preprocess,
            verbose=0,
        )
        assert stop.best == min(history.history["val_loss"])
        again = training.evaluate(model, fold.validation)["loss"]
        assert again == pytest.approx(stop.best, rel=1e-5)  # the weights that were best on validation, not on test
        read.append(len(fold.preprocess.vocabulary))
        return training.evaluate(model, fold.test)

    found = cross_validated(train_one, data, folds=2, held_out="test", directory=tmp_path)
    assert set(found.mean) == {"loss", "accuracy"} and len(read) == 2
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "fold-1", "fold-2", "summary.json"}
    for name in ("fold-1", "fold-2"):
        assert (tmp_path / name / "model.keras").exists()
