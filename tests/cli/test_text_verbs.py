"""The command as a user types it: four classes from a CSV to an exported model, and mistakes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from command_line import load_models_once, status
from topic_tables import TOPICS, write_topics


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on a CSV of four classes, made by the command."""
    folder = tmp_path_factory.mktemp("topics")
    path, run = write_topics(folder / "topics.csv"), folder / "run"
    columns = ("--text", "review", "--label", "kind", "--test", "0.2")
    assert status("train", "text", path, "--run", run, *columns, "--epochs", 6, "--batch-size", 16) == 0
    return run, path


def test_run_directory_is_complete(trained):
    run, path = trained
    names = {entry.name for entry in run.iterdir()}
    expected = "config.json model.keras preprocess checkpoints history.csv logs report result.json".split()
    assert set(expected) <= names
    result = json.loads((run / "result.json").read_text())
    assert result["scores"]["test"]["accuracy"] > 0.9
    assert result["config"]["data"] == str(path) and result["config"]["seed"] == 0
    assert result["versions"]["tensorflow"] == tf.__version__
    assert {"report.md", "scores.json", "confusion.png"} <= {entry.name for entry in (run / "report").iterdir()}


def test_evaluate_repeats_the_score_of_training(trained, capsys):
    run, path = trained
    expected = json.loads((run / "result.json").read_text())["scores"]["test"]
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(result | {"reading": ["what the curves said"]}))
    assert status("evaluate", run, "--json") == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == pytest.approx(expected, rel=1e-5)
    before = (run / "report" / "report.md").read_text()
    assert "## Training\n\n- what the curves said\n" in before
    for line in (f"- run: {run}", "- model: multi-width-text-cnn", "- data: topics", "- split: test"):
        assert line in before
    assert status("evaluate", run, path) == 0
    out = capsys.readouterr().out
    assert "400 texts" in out and "macro/f1" in out and max(map(len, out.splitlines()[1:-1])) <= 100


def test_predict_and_export_agree(trained, tmp_path, capsys):
    run, _ = trained
    texts = ["the soup was sweet", "a laptop app with code"]
    assert status("predict", run, *texts) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["label"] for line in lines] == ["food", "tech"] and [line["text"] for line in lines] == texts
    assert all(list(line) == ["text", "label", "probabilities"] for line in lines)
    assert all(sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5) for line in lines)
    (tmp_path / "topics" / "1").mkdir(parents=True)  # an earlier export
    (tmp_path / "topics" / "1" / "saved_model.pb").write_text("published before")
    assert status("export", run, tmp_path / "topics") == 0
    assert "topics/2: written" in capsys.readouterr().out
    served = tf.saved_model.load(str(tmp_path / "topics" / "2")).signatures["serving_default"]
    answer = served(text=tf.constant(texts))
    for line, probabilities, label in zip(lines, answer["probabilities"].numpy(), answer["label"].numpy(), strict=True):
        assert list(line["probabilities"].values()) == pytest.approx(probabilities.tolist(), abs=1e-5)
        assert label.decode() == line["label"]


def test_predict_answers_every_line_of_a_long_input(trained, capsys):
    run, _ = trained
    lines = ["team goal", "", "flight to the beach", "caf\ufffd soup"]
    lines += [f"soup number {i}" for i in range(600)]  # more than are asked at once
    given = "\n".join(lines).encode().replace("\ufffd".encode(), b"\xe9")  # a byte that is no UTF-8
    assert status("predict", run, given=given) == 0
    out, error = capsys.readouterr()
    assert [json.loads(line)["text"] for line in out.splitlines()] == lines and not error


def test_predict_asks_runs_side_by_side(trained, capsys):
    run, _ = trained
    assert status("predict", run, "team goal", "--beside", run) == 0
    assert [json.loads(line)["run"] for line in capsys.readouterr().out.splitlines()] == [str(run)] * 2


def test_several_labels_a_text(tmp_path, capsys):
    path, run = write_topics(tmp_path / "tags.csv", labels=2), tmp_path / "run"
    arguments = ("--text", "review", "--label", "kind", "--multi-label", "--epochs", 6, "--batch-size", 16)
    assert status("train", "text", path, "--run", run, *arguments) == 0
    capsys.readouterr()
    assert status("predict", run, "soup and laptop dish app") == 0
    assert json.loads(capsys.readouterr().out)["label"] == "food|tech"
    assert status("evaluate", run) == 0


@pytest.mark.parametrize(
    "model",
    ["char-cnn", "residual-text-cnn", "dilated-text-cnn", "bag-of-words-linear"],  # the default: `trained`
)
def test_every_model_trains(model, tmp_path):
    path = write_topics(tmp_path / "topics.csv", n=60)
    columns = ("--text", "review", "--label", "kind", "--test", 0.2, "--validation", 0, "--epochs", 1, "--length", 60)
    assert status("train", "text", path, "--run", tmp_path / "run", "--model", model, *columns) == 0
    assert status("predict", tmp_path / "run", "soup") == 0


def test_word_vectors(tmp_path, capsys):
    path, run = write_topics(tmp_path / "topics.csv", n=80), tmp_path / "run"
    words = sorted({word for words in TOPICS.values() for word in words.split()})
    lines = [f"{word} {i * 0.1:.1f} 0.5 -0.5" for i, word in enumerate(words)]
    (tmp_path / "vectors.txt").write_text("\n".join(lines))
    columns = ("--text", "review", "--label", "kind", "--epochs", 1)
    vectors = ("--vectors", tmp_path / "vectors.txt", "--freeze-vectors")
    assert status("train", "text", path, "--run", run, *columns, *vectors, "--model", "bag-of-words-mlp") == 0
    assert re.search(r"loaded (2[89]|3[0-2])/\d+ words", capsys.readouterr().out)
    from tfconv.training import load_run

    loaded = load_run(run)
    row = loaded.preprocess.vocabulary.tokens.index(words[3])
    table = loaded.model.get_layer("embedding").embeddings.numpy()
    assert table[row].tolist() == pytest.approx([0.3, 0.5, -0.5])  # frozen: as in the file


MISTAKES = [
    (("train", "text", "nosuch.csv", "--run", "run"), r"nosuch.csv: no such file"),
    (("train", "text", "nosuch", "--run", "run"), r"nosuch: no such file or folder; give a .csv"),
    (("train", "text", "topics.csv", "--run", "run", "--text", "revue"), r"no column 'revue'.*did you mean 'review'"),
    (("train", "text", "notes.doc", "--run", "run"), r"notes.doc: cannot tell its format from its ending"),
    (("train", "text", "empty.csv", "--run", "run"), r"empty.csv"),
    (("train", "text", "synthetic", "--run", "run", "--text", "a"), r"--text does not go with synthetic"),
    (("train", "text", "synthetic", "--run", "run", "--epochs", "0"), r"--epochs must be from 1 to 2147483647, got 0"),
    (("train", "text", "synthetic", "--run", "run", "--validation", "1.5"), r"--validation must be a fraction"),
    (
        ("train", "text", "synthetic", "--run", "run", "--learning-rate", "-1"),
        r"--learning-rate must be a number above 0",
    ),
    (("train", "text", "synthetic", "--run", "run", "--clip-norm", "nan"), r"--clip-norm must be a number above 0"),
    (
        ("train", "text", "synthetic", "--run", "run", "--length", "1" + "0" * 30),
        r"--length must be from 1 to 2147483647",
    ),
    (("train", "text", "synthetic", "--run", "run", "--freeze-vectors"), r"--freeze-vectors goes with --vectors"),
    (("train", "text", "", "--run", "run"), r"must not be empty"),
    (("train", "text", "synthetic", "--run", "run", "--resume", "--overwrite"), r"give one of the two"),
    (("train", "text", "synthetic", "--run", "topics.csv"), r"topics.csv is a file: give a folder"),
    (("train", "text", "synthetic", "--run", "run", "--vectors", "v.txt", "--model", "char-cnn"), r"no word embedding"),
    (("train", "text", "synthetic", "--run", "run", "--vectors", "v.txt"), r"v.txt"),
    (
        ("train", "text", "topics.csv", "--run", "run", "--text", "review", "--label", "kind", "--repeats", "2"),
        r"topics has none: hold one out with --test 0\.2",
    ),
    (("evaluate", "nosuch"), r"nosuch holds no trained model: give a folder"),
    (("predict", "nosuch", "a text"), r"nosuch holds no trained model"),
    (("export", "nosuch", "models"), r"nosuch holds no trained model"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_mistake_is_one_line_and_status_two(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_topics(Path("topics.csv"), n=20)
    Path("notes.doc").write_text("x")
    Path("empty.csv").write_text("")
    assert status(*arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("tfconv: ") and "\n" not in error
    assert re.search(message, error), error


def test_mistakes_about_a_run(trained, tmp_path, capsys):
    run, path = trained
    assert status("train", "text", path, "--run", run, "--text", "review", "--label", "kind") == 2
    assert "holds a run already" in capsys.readouterr().err
    columns = ("--text", "review", "--label", "kind", "--test", "0.2", "--epochs", 6)
    assert status("train", "text", path, "--run", run, *columns, "--batch-size", 8, "--resume") == 2
    assert "was started with batch_size=16, now it is 8" in capsys.readouterr().err
    other = tmp_path / "other.csv"
    other.write_text("review,kind\nsoup,food\nsoup,food\nlion,animal\nlion,animal\n")
    assert status("evaluate", run, other) == 2
    assert "has the class 'animal', which the run does not know: food, sport" in capsys.readouterr().err
    (tmp_path / "models").write_text("")
    assert status("export", run, tmp_path / "models") == 2


def test_damaged_run_is_one_line(trained, tmp_path, capsys):
    run, _ = trained
    for name, content in (
        ("model.keras", b"PK\x03\x04 nothing"),
        ("model.keras", (run / "model.keras").read_bytes()[:-100]),
        ("config.json", b"[]"),
        ("config.json", b"[" * 100_000),
        ("preprocess/vocabulary.json", b"{"),
    ):
        copy = tmp_path / "copy"
        shutil.copytree(run, copy)
        (copy / name).write_bytes(content)
        assert status("predict", copy, "soup") == 2
        error = capsys.readouterr().err.strip()
        assert "\n" not in error and Path(name).name.split(".")[0] in error.replace("text preproc", "vocabulary")
        shutil.rmtree(copy)


def test_settings_of_a_run_that_cannot_be_are_one_line(trained, tmp_path, capsys, monkeypatch):
    """Whatever stands in config.json or preprocess/ by hand, no verb ends in a traceback."""
    run, path = trained
    copy, config = tmp_path / "copy", json.loads((run / "config.json").read_text())
    load_models_once(monkeypatch)
    shutil.copytree(run, copy)
    (copy / "report").rename(tmp_path / "report")
    go_on = ("train", "text", path, "--text", "review", "--label", "kind", "--test", "0.2", "--epochs", 6)
    verbs = {
        "data": [("evaluate", copy), ("check", copy)],
        "text": [("evaluate", copy), ("evaluate", copy, path), ("check", copy)],
        "label": [("evaluate", copy), ("evaluate", copy, path)],
        "seed": [("evaluate", copy), ("check", copy)],
        "test": [("evaluate", copy)],
        "validation": [("evaluate", copy)],
        "multi_label": [("evaluate", copy, path)],
        "from_": [("check", copy)],
        "vocabulary_size": [("train", "text", path, "--run", tmp_path / "new", "--from", copy)],
        "length": [(*go_on, "--run", copy, "--batch-size", 16, "--resume")],
    }
    for name, several in verbs.items():
        for value in (5.5, -1, {}, ["x"], ""):
            if (name, value) == ("text", ""):
                continue
            (copy / "config.json").write_text(json.dumps(config | {name: value}))
            for words in several:
                assert status(*words) == 2, (name, value, words)
                *found, error = capsys.readouterr().err.splitlines()  # found: which columns, where --text is not given
                assert error.startswith("tfconv: ") and len(found) <= (words[0] == "train") and len(error) < 600, (
                    name,
                    value,
                    error,
                )
    (copy / "config.json").write_text(json.dumps(config))
    settings = json.loads((run / "preprocess" / "text.json").read_text())
    for name in settings:
        for value in ("x", -1, {}, None):
            (copy / "preprocess" / "text.json").write_text(json.dumps(settings | {name: value}))
            code, error = status("predict", copy, "soup"), capsys.readouterr().err
            assert code == 0 or (code == 2 and error.startswith("tfconv: ") and error.count("\n") == 1), (name, value)


def test_a_reader_that_leaves_early(trained):
    run, _ = trained
    command = f"yes 'the soup' | head -2000 | {sys.executable} -m tfconv predict {run} | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True)
    assert done.returncode == 0 and json.loads(done.stdout)["text"] == "the soup" and not done.stderr


def test_no_input_and_an_argument_that_is_no_text(trained, monkeypatch, capsys):
    run, _ = trained
    assert status("predict", run, "caf\udce9") == 2
    assert "is not UTF-8" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", None)  # as Python has it where it is closed
    assert status("predict", run) == 2
    error = capsys.readouterr().err
    assert "standard input is closed" in error and error.count("\n") == 1


def test_start_is_instant_and_imports_no_tensorflow():
    code = (
        "import sys; from tfconv.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\nprint(*sys.modules)"
    )
    for arguments in (
        ["--help"],
        ["train", "text", "--help"],
        ["--version"],
        ["train", "text", "no.csv", "--run", "r"],
    ):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert not {"tensorflow", "keras", "matplotlib"} & set(done.stdout.splitlines()[-1].split()), arguments


def test_predict_takes_text_files(trained, tmp_path, capsys, monkeypatch):
    run, _ = trained
    (tmp_path / "in").mkdir()
    for name in ("b.txt", "a.txt"):
        (tmp_path / "in" / name).write_text(f"the soup {name[0]}\n")
    monkeypatch.chdir(tmp_path)
    for example in ("in/", "in/*.txt"):
        assert status("predict", run, example, "is it good?", "in") == 0
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [answer.get("file") for answer in found] == ["in/a.txt", "in/b.txt", None, None]
        assert [answer["text"] for answer in found] == ["the soup a", "the soup b", "is it good?", "in"]
    assert status("predict", run, "in/z*.txt") == 2
    assert "in/z*.txt: the pattern matches no file" in capsys.readouterr().err
