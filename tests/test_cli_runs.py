"""Runs that the command shall not lose or mistake, on other data, settings and folders than they were started on."""

import hashlib
import json

from command_line import status
from topic_tables import write_topics


def test_changed_data_are_not_taken_for_the_same(tmp_path, capsys):
    path, run = write_topics(tmp_path / "topics.csv", n=60), tmp_path / "run"
    columns = ("--text", "review", "--label", "kind", "--epochs", 1, "--model", "bag-of-words-linear")
    assert status("train", "text", path, "--run", run, *columns) == 0
    path.write_text(path.read_text().replace("\r\n", "\n"))
    assert status("evaluate", run) == 2
    assert "changed since training, so its held-out rows are unknown: give DATA" in capsys.readouterr().err
    assert status("train", "text", path, "--run", run, *columns, "--resume") == 2
    assert "changed since it was started: choose another folder" in capsys.readouterr().err
    one = tmp_path / "one.csv"
    one.write_text("review,kind\nsoup,food\n")
    assert status("evaluate", run, one) == 0  # a class of a single text, and only one class
    assert (run / "report" / "one" / "report.md").exists()


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"}


def test_refused_resume_and_overwrite_leave_the_run_whole(tmp_path, capsys):
    path, run = write_topics(tmp_path / "topics.csv", n=60), tmp_path / "run"
    columns = ("--text", "review", "--label", "kind", "--epochs", 1, "--model", "bag-of-words-linear")
    assert status("train", "text", path, "--run", run, *columns) == 0
    before = contents(run)
    path.write_text(path.read_text() + "new words here,food\nmore new words,tech\n")
    for more in (("--resume",), ("--overwrite", "--vectors", path)):
        assert status("train", "text", path, "--run", run, *columns, *more) == 2
        assert contents(run) == before
    # The settings are the same and so is the fingerprint, but not the texts: as after a change of the tokeniser.
    config = json.loads((run / "config.json").read_text())
    config["data_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (run / "config.json").write_text(json.dumps(config))
    before, _ = contents(run), capsys.readouterr()
    assert status("train", "text", path, "--run", run, *columns, "--resume") == 2
    assert "was started on other texts, classes or settings of words" in capsys.readouterr().err
    assert contents(run) == before


def test_overwrite_deletes_no_folder_that_is_no_run(tmp_path, capsys):
    for name in ("logs", "report"):
        for i in range(4):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{i}.txt").write_text(f"{name} text {i}")
    before = contents(tmp_path)
    arguments = ("--epochs", 1, "--model", "bag-of-words-linear", "--overwrite")
    assert status("train", "text", tmp_path, "--run", tmp_path, *arguments) == 2
    assert "which is of no run of tfconv" in capsys.readouterr().err and contents(tmp_path) == before


def test_class_names_that_look_like_markup(tmp_path, capsys):
    path = tmp_path / "topics.csv"
    path.write_text(write_topics(path, n=60).read_text().replace("food", "[/bold]").replace("tech", "support"))
    columns = ("--text", "review", "--label", "kind", "--epochs", 1, "--model", "bag-of-words-linear")
    assert status("train", "text", path, "--run", tmp_path / "run", *columns) == 0
    assert "[/bold]" in capsys.readouterr().out


def test_other_delimiter(tmp_path):
    path = tmp_path / "topics.csv"
    path.write_text(write_topics(path, n=60).read_text().replace(",", ";"))
    columns = ("--text", "review", "--label", "kind", "--epochs", 1, "--model", "bag-of-words-linear")
    assert status("train", "text", path, "--run", tmp_path / "run", *columns) == 2
    assert status("train", "text", path, "--run", tmp_path / "run", *columns, "--delimiter", ";") == 0
    assert status("evaluate", tmp_path / "run") == 0
