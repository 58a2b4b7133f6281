"""What `tfconv train text` chooses when nothing is asked for: n-gram models, from files to an export."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from command_line import status
from drawn_texts import check
from topic_tables import TOPICS, write_topics

from tfconv import interpret
from tfconv.cli import plot
from tfconv.data import TextData, TextExamples
from tfconv.kinds.text import wide_deep
from tfconv.training import load_run


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("solved")
    path, run = write_topics(folder / "topics.csv"), folder / "run"
    columns = ("--text", "review", "--label", "kind", "--test", "0.2")
    assert status("train", "text", path, "--run", run, *columns) == 0
    return run, path


def test_a_run_without_steps_is_whole(solved, capsys, tmp_path):
    run, path = solved
    result = json.loads((run / "result.json").read_text())
    assert result["config"]["model"] == "ngram-linear" and result["epochs"] == 0
    scores = result["scores"]["test"]
    assert scores["accuracy"] > 0.97
    assert status("evaluate", run, "--json") == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == pytest.approx(scores, rel=1e-5)
    texts = ["the soup was sweet", "a laptop app with code", "", "zzz"]
    assert status("predict", run, *texts) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["label"] for line in lines[:2]] == ["food", "tech"]
    assert status("export", run, tmp_path / "served") == 0
    served = tf.saved_model.load(str(tmp_path / "served" / "1")).signatures["serving_default"]
    answer = served(text=tf.constant(texts))["probabilities"].numpy()
    np.testing.assert_allclose(answer, [list(line["probabilities"].values()) for line in lines], atol=1e-5)


def test_its_weights_and_its_words_say_why(solved):
    run = load_run(solved[0])
    texts = ["the soup was sweet", "a laptop app with code", "team goal", "flight to the beach"]
    found = interpret.significant_ngrams(run.model, run.preprocess, texts, target="food", count=5)
    assert "soup" in {effect.token for effect in found.positive} and found.method == "weight"
    effects = interpret.occlusion(run.model, run.preprocess, texts[0], target="food")
    assert [effect.token for effect in effects] == ["the", "soup", "was", "sweet"]
    strongest = max(effects, key=lambda effect: effect.effect).token
    assert strongest in ("soup", "sweet")

    def odds(text):
        logits = run.model(run.preprocess(tf.constant([text]))).numpy()[0].astype(np.float64)
        food = run.class_names.index("food")
        return logits[food] - np.logaddexp.reduce(np.delete(logits, food))

    assert effects[1].effect == pytest.approx(odds("the soup was sweet") - odds("the was sweet"), abs=1e-4)


@pytest.fixture(scope="module")
def blended(tmp_path_factory):
    """A wide and deep run of two epochs, with all else as a user gets it."""
    folder = tmp_path_factory.mktemp("blended")
    path, run = write_topics(folder / "topics.csv"), folder / "run"
    options = ("--text", "review", "--label", "kind", "--test", "0.2", "--model", "wide-deep", "--epochs", 2)
    assert status("train", "text", path, "--run", run, *options, "--deterministic") == 0
    return run, path, options


def test_wide_and_deep_is_trained_exported_and_explained(blended, capsys, tmp_path):
    run, path, _ = blended
    result = json.loads((run / "result.json").read_text())
    assert result["config"]["optimizer"] == "adagrad" and result["scores"]["test"]["accuracy"] > 0.97
    texts = ["the soup was sweet", "a laptop app with code", "", "zzz"]
    capsys.readouterr()
    assert status("predict", run, *texts) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["label"] for line in lines[:2]] == ["food", "tech"]
    assert status("export", run, tmp_path / "served") == 0
    served = tf.saved_model.load(str(tmp_path / "served" / "1")).signatures["serving_default"]
    answer = served(text=tf.constant(texts))["probabilities"].numpy()
    np.testing.assert_allclose(answer, [list(line["probabilities"].values()) for line in lines], atol=1e-5)
    loaded = load_run(run)
    found = interpret.significant_ngrams(loaded.model, loaded.preprocess, texts[:2], target="food", count=5)
    assert "soup" in {effect.token for effect in found.positive}
    effects = interpret.occlusion(loaded.model, loaded.preprocess, texts[0], target="food")
    assert max(effects, key=lambda effect: effect.effect).token in ("soup", "sweet")
    # Its logits are those of its parts, each from the ids of its own kind, by the factors.
    model, first = loaded.model, loaded.preprocess.first_ngram
    ids = loaded.preprocess(tf.constant(texts)).numpy()
    words, ngrams = np.where(ids < first, ids, 0), np.where(ids < first, 0, ids - first + 1)
    wide = model.get_layer("ngrams")(ngrams).numpy()
    pooled = [model.get_layer(f"normalized_{size}")(model.get_layer(f"regions_of_{size}")(words)) for size in (1, 2, 3)]
    deep = model.get_layer("logits")(np.concatenate(pooled, axis=1)).numpy()
    factors = model.get_layer("blend").factors.numpy()
    np.testing.assert_allclose(model(ids), factors[0] * wide + factors[1] * deep, atol=1e-4)


def test_wide_and_deep_resumes_to_the_same_bits_and_runs_on_replicas(blended, tmp_path):
    run, path, options = blended
    begun = tmp_path / "run"
    shutil.copytree(run, begun)
    last = sorted((begun / "checkpoints").iterdir())[-1]
    last.unlink()
    for name in ("model.keras", "result.json"):
        (begun / name).unlink()
    assert status("train", "text", path, "--run", begun, *options, "--deterministic", "--resume") == 0
    for one, other in zip(load_run(run).model.weights, load_run(begun).model.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (begun / "history.csv").read_text() == (run / "history.csv").read_text()
    assert status("train", "text", path, "--run", tmp_path / "two", *options, "--strategy", "cpu:2") == 0
    result = json.loads((tmp_path / "two" / "result.json").read_text())
    assert result["scores"]["test"]["accuracy"] > 0.97


def test_reports_say_what_the_ngrams_alone_reach(solved, blended, tmp_path):
    accuracy = json.loads((solved[0] / "result.json").read_text())["scores"]["test"]["accuracy"]
    sentence = f"For comparison: ngram-linear alone has accuracy {accuracy:.4f} on the test split."
    columns = ("--text", "review", "--label", "kind", "--test", "0.2")
    assert status("train", "text", solved[1], "--run", tmp_path / "run", *columns, "--epochs", 1) == 0
    for run in (blended[0], tmp_path / "run"):
        assert sentence in (run / "report" / "report.md").read_text()
        assert sentence in json.loads((run / "result.json").read_text())["reading"]
    # Its curves are of different answers in training and in validation, so nothing is said of them.
    assert json.loads((blended[0] / "result.json").read_text())["reading"] == [sentence]
    assert not json.loads((solved[0] / "result.json").read_text())["reading"]  # which is the comparison itself


def test_the_strongest_ngrams_of_each_class_are_drawn(blended, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plot, "save", lambda figure, path: drawn.append(figure))
    assert status("plot", blended[0], "tokens", "--count", 5, "--out", tmp_path / "tokens.png") == 0
    assert "food" in check(drawn[0])
    panels = {axes.get_title(loc="left"): axes for axes in drawn[0].axes if axes.get_visible()}
    assert panels.keys() == TOPICS.keys()
    for topic, axes in panels.items():
        named = [label.get_text() for label in axes.get_yticklabels()]
        assert named and all(any(part.strip("“” ") in TOPICS[topic] for part in name.split()) for name in named)


def test_more_time_tries_more_sizes_and_never_fewer():
    texts = TextExamples([" ".join("abcdefghijklmnopqrst")] * 20_000, np.zeros(20_000, np.int32))
    data = TextData("d", ("a", "b"), {"train": texts})
    found = [
        wide_deep.affordable_sizes(SimpleNamespace(time_limit=limit, epochs=None), data)
        for limit in (0.01, None, 1, 2, 5, 60)
    ]
    assert [len(sizes) for sizes in found] == sorted(len(sizes) for sizes in found)
    assert not found[0] and len(found[1]) == 1 < len(found[2]) < len(found[-1])
    assert all(sizes == found[-1][: len(sizes)] for sizes in found)


CODES = [(f"{'AX' if i % 2 else 'QZ'}-{(i * 7919) % 10_000:04d}", "left" if i % 2 else "right") for i in range(200)]
KANJI = ("映画", "音楽", "料理", "旅行")
UNBLANKED = [
    ("".join(KANJI[(i * k) % 4] for k in range(3)) + ("最高" if i % 2 else "最悪"), "ab"[i % 2]) for i in range(160)
]


@pytest.mark.parametrize(
    ("rows", "said"), [(CODES, "1 to 5 characters (strings of 1.0 words"), (UNBLANKED, "written without blanks")]
)
def test_texts_without_words_are_classified_by_characters_and_it_says_so(rows, said, tmp_path, capsys):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), "utf-8")
    assert status("train", "text", path, "--run", tmp_path / "run", "--test", "0.25") == 0
    assert said in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "result.json").read_text())["scores"]["test"]["accuracy"] == 1.0


def test_several_labels_and_77_unbalanced_classes_are_trained_by_default(tmp_path):
    rng = np.random.default_rng(0)
    rows = [(f"{'cat ' if i % 2 else ''}{'dog ' if i % 3 else ''}w{rng.integers(50)}", i) for i in range(240)]
    named = [(text, "|".join(["c"] * (i % 2) + ["d"] * (i % 3 > 0))) for text, i in rows]
    (tmp_path / "labels.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in named))
    assert (
        status("train", "text", tmp_path / "labels.csv", "--run", tmp_path / "a", "--multi-label", "--test", "0.2") == 0
    )
    scores = json.loads((tmp_path / "a" / "result.json").read_text())["scores"]["test"]
    assert scores["micro/f1"] > 0.98
    places = np.concatenate([np.repeat(np.arange(77), 5), rng.choice(77, 600, p=np.arange(1, 78) / 3003)])
    (tmp_path / "many.csv").write_text("text,label\n" + "".join(f"key{i} w{rng.integers(50)},c{i}\n" for i in places))
    assert (
        status(
            "train", "text", tmp_path / "many.csv", "--run", tmp_path / "b", "--test", "0.2", "--balanced", "weights"
        )
        == 0
    )
    assert json.loads((tmp_path / "b" / "result.json").read_text())["scores"]["test"]["macro/f1"] > 0.97


def test_what_does_not_go_together_is_one_line(solved, tmp_path, capsys):
    run, path = solved
    columns = ("--text", "review", "--label", "kind")
    for more, message in (
        (("--model", "ngram-linear", "--epochs", "2"), "--epochs is given: give another --model"),
        (("--model", "wide-deep", "--learning-rate", "0.1"), "--learning-rate is given: give another --model"),
        (("--model", "text-cnn", "--time-limit", "2"), "--time-limit is for --model auto and wide-deep"),
        (("--time-limit", "0"), "--time-limit must be a number above 0"),
        (("--from", run), "holds an n-gram model: leave it out"),
    ):
        assert status("train", "text", path, "--run", tmp_path / "x", *columns, *more) == 2
        assert message in capsys.readouterr().err
    assert status("lr-find", "text", path, *columns, "--model", "wide-deep", "--out", tmp_path / "r.png") == 2
    assert "a network is needed, which is trained by steps alone" in capsys.readouterr().err
    assert status("plot", run, "curves", "--out", tmp_path / "c.png") == 2
    assert "there are no curves" in capsys.readouterr().err
