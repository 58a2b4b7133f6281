"""Runs that the command shall not lose or mistake, on other data, settings and folders than they were started on."""

import hashlib
import json

from command_line import status
from topic_tables import write_topics

from tfconv.training.distribution.workers import Workers


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
    assert "was started on other texts, classes or settings of tokens" in capsys.readouterr().err
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


def test_other_delimiter(tmp_path, capsys):
    path = tmp_path / "topics.csv"
    path.write_text(write_topics(path, n=60).read_text().replace(",", ";"))
    columns = ("--text", "review", "--label", "kind", "--epochs", 1, "--model", "bag-of-words-linear")
    assert status("train", "text", path, "--run", tmp_path / "run", *columns, "--delimiter", ",") == 2
    assert status("train", "text", path, "--run", tmp_path / "run", *columns) == 0
    error = capsys.readouterr().err
    assert "topics.csv: separated by semicolons (to say otherwise: --delimiter" in error
    assert '"delimiter": ";"' in (tmp_path / "run" / "config.json").read_text()
    assert status("evaluate", tmp_path / "run") == 0


def test_workers_compare_what_counts_and_none_ends_before_the_chief_has_scored(tmp_path, monkeypatch, capsys):
    path, run = write_topics(tmp_path / "topics.csv", n=60), tmp_path / "run"
    columns = ("--text", "review", "--label", "kind", "--epochs", 1, "--model", "bag-of-words-linear")
    (run / "cycles").mkdir(parents=True)
    for name in ("config.json", "cycles/9.keras"):  # of the run that is replaced
        (run / name).write_text("{}")
    compared, met = [], []
    agree, only_chief = Workers.agree, Workers.only_chief
    monkeypatch.setattr(Workers, "agree", lambda self, given: compared.append(given) or agree(self, given))

    def recorded(self, action):
        met.append((run / "result.json").exists())
        found = only_chief(self, action)
        met.append((run / "result.json").exists())
        return found

    monkeypatch.setattr(Workers, "only_chief", recorded)
    cosine = ("--schedule", "cosine", "--warmup")
    assert status("train", "text", path, "--run", run, *columns, *cosine, 0.5, "--overwrite") == 0
    assert met[-2:] == [False, True]  # the last exchange is where the scores are written
    settings, arguments = compared
    assert settings["batch_size"] == 8 and settings["classes"] == ("food", "sport", "tech", "travel")
    assert settings["train texts"] == 54 and "team" in settings["vocabulary"]
    assert not {str(path), str(run)} & set(map(str, settings.values()))  # other machines may have other folders
    assert arguments["epochs"] == 1 and arguments["resume"] is False
    assert not (run / "cycles").exists()
    assert status("train", "text", path, "--run", run, *columns, *cosine, 0.3, "--resume") == 2
    assert "was started with warmup=0.5, now it is 0.3" in capsys.readouterr().err
