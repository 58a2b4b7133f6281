"""Going on from an earlier run: what it decides, what is refused, and a text and an image run that do."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from command_line import status
from PIL import Image

from tfconv import InputError, models, training
from tfconv.data import image_folder, synthetic_reviews, synthetic_shapes
from tfconv.kinds import KINDS, fine_tuning


@dataclasses.dataclass(frozen=True)
class Images:
    """As the settings of `tfconv train images`, as far as they matter here."""

    data: str = "photos"
    run: Path = Path("new")
    model: str = "whitened-resnet"
    size: Any = None
    fit: str | None = None
    channels: int | None = None
    from_: Path | None = None
    freeze_to: int | None = None
    discriminative: float | None = None


@dataclasses.dataclass(frozen=True)
class Texts:
    """Likewise of `tfconv train text`."""

    data: str = "reviews.csv"
    run: Path = Path("new")
    model: str = "multi-width-text-cnn"
    vocabulary_size: int = 30000
    length: int | None = 800
    level: str = "auto"
    words_only: bool = False
    vectors: Path | None = None
    freeze_vectors: bool = False
    from_: Path | None = None
    freeze_to: int | None = None
    discriminative: float | None = None


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    data = synthetic_shapes(100, size=16)
    model = models.WhitenedResNet((16, 16, 3), 10, widths=(4, 8))
    run = tmp_path_factory.mktemp("runs") / "images"
    config = {"kind": "images", "model": "whitened-resnet"}
    training.fit(model, data.train, run_dir=run, preprocess=data.preprocess, config=config, verbose=0)
    return run


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    data = synthetic_reviews(100).prepare(length=9, vocabulary_size=50)
    model = models.BagOfWordsMLP(len(data.preprocess.vocabulary))
    run = tmp_path_factory.mktemp("runs") / "texts"
    config = {"kind": "text", "model": "bag-of-words-mlp", "vocabulary_size": 50, "level": "word", "words_only": True}
    training.fit(model, data.train, run_dir=run, preprocess=data.preprocess, config=config, verbose=0)
    return run


def test_the_earlier_run_decides_network_and_inputs(images, texts):
    assert fine_tuning.inherited(Images(), KINDS["images"]) == Images()
    got = fine_tuning.inherited(Images(from_=images), KINDS["images"])
    assert (got.size, got.fit, got.model) == (16, "crop", "whitened-resnet")
    assert fine_tuning.inherited(Images(data="cifar10", from_=images), KINDS["images"]).size is None
    assert fine_tuning.inherited(Images(data="synthetic", from_=images), KINDS["images"]).fit is None
    got = fine_tuning.inherited(Texts(from_=texts), KINDS["text"])
    assert dataclasses.replace(got, from_=None) == Texts(
        model="bag-of-words-mlp", vocabulary_size=50, length=9, level="word", words_only=True
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "resnet20"}, "--model is that of the run of --from: leave it out"),
        ({"size": 32}, "--size is that of"),
        ({"discriminative": 0.0}, "--discriminative must be above 0"),
        ({"discriminative": float("nan")}, "--discriminative must be above 0"),
        ({"from_": Path("nowhere")}, "--from nowhere holds no trained model"),
        ({"from_": None, "freeze_to": -1}, "--freeze-to goes with --from RUN"),
        ({"from_": None, "discriminative": 0.1}, "--discriminative goes with --from RUN"),
    ],
)
def test_refused(images, settings, message):
    with pytest.raises(InputError, match=message) as caught:
        fine_tuning.inherited(Images(**{"from_": images, **settings}), KINDS["images"])
    assert "\n" not in str(caught.value)


def test_refused_runs(images, texts, tmp_path):
    with pytest.raises(InputError, match="is a run of `tfconv train text`"):
        fine_tuning.inherited(Images(from_=texts), KINDS["images"])
    with pytest.raises(InputError, match="is a run of `tfconv train images`"):
        fine_tuning.inherited(Texts(from_=images), KINDS["text"])
    with pytest.raises(InputError, match="another folder"):
        fine_tuning.inherited(Images(from_=images, run=images), KINDS["images"])
    broken = tmp_path / "broken"
    shutil.copytree(texts, broken)
    (broken / "config.json").write_text("null")
    with pytest.raises(InputError, match="config.json holds no settings: copy the run anew"):
        fine_tuning.inherited(Texts(from_=broken), KINDS["text"])


def test_images_go_on_with_other_classes(images):
    run = training.load_run(images)
    data = synthetic_shapes(100, seed=1, size=16).prepare(preprocess=run.preprocess)
    same = fine_tuning.starting_model(run.directory, data, dtype="mixed_bfloat16", nonsense=3)
    assert same.dtype_policy.name == "mixed_bfloat16"
    for one, other in zip(run.model.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    few = dataclasses.replace(data, class_names=("round", "not"), examples=data.examples)
    model = fine_tuning.starting_model(run.directory, few)
    assert model.output_shape == (None, 1)
    config = Images(from_=images, freeze_to=-1, discriminative=0.1)
    optimizer = fine_tuning.fine_tuning(config, model, keras.optimizers.Adam(0.01))
    assert sorted(set(optimizer.multipliers.values())) == pytest.approx([0.1, 0.1**0.5, 1.0])
    assert [weight.path for weight in model.trainable_weights] == ["logits/kernel"]
    with pytest.raises(InputError, match="--freeze-to 7: n must be"):
        fine_tuning.fine_tuning(Images(freeze_to=7), model, keras.optimizers.Adam(0.01))


def test_images_that_are_not_square_go_on_and_resume(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path))
    for i in range(24):
        path = tmp_path / "photos" / str(i % 2) / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (24, 16), (i % 2 * 255, i, 0)).save(path)
    data = image_folder(tmp_path / "photos", size=(16, 24)).prepare(batch_size=8)
    model = keras.Sequential([keras.Input((16, 24, 3)), keras.layers.Flatten(), keras.layers.Dense(1, name="logits")])
    training.fit(model, data.train, run_dir=tmp_path / "old", preprocess=data.preprocess, verbose=0)
    command = ("train", "images", tmp_path / "photos", "--run", tmp_path / "new", "--from", tmp_path / "old")
    assert status(*command, "--epochs", 1, "--batch-size", 8, "--precision", "float32") == 0
    out = capsys.readouterr().out
    assert f"from {tmp_path / 'old'}: whitened-resnet with its weights (the output layer too" in out
    assert "size, channels and their statistics" in out and "not from it: learning rate" in out
    assert status(*command, "--epochs", 1, "--batch-size", 8, "--precision", "float32", "--resume") == 0


def test_texts_go_on_with_the_earlier_words(texts):
    run = training.load_run(texts)
    data = synthetic_reviews(100, seed=4).prepare(preprocess=run.preprocess)
    model = fine_tuning.starting_model(run.directory, data)
    optimizer = fine_tuning.fine_tuning(Texts(from_=texts, discriminative=0.5), model, keras.optimizers.Adam(0.01))
    history = training.fit(model, data.train, epochs=2, optimizer=optimizer, verbose=0)
    assert history.history["loss"][1] < history.history["loss"][0]
    plain = Texts(from_=texts)
    adam = keras.optimizers.Adam(0.01)
    assert fine_tuning.fine_tuning(plain, model, adam) is adam
