"""`tfconv train text` with all defaults beside what one would take instead: scikit-learn and fastText.

Every system gets the same texts and the same split. It is scored once, on the test part. Its seconds are those from the
raw file to a model on disk, in a process of its own, its milliseconds those of one text asked alone (tfconv: of the
exported SavedModel).

    python recipes/benchmarks/text_accuracy.py --data DIRECTORY --sets mr trec

It needs the extra `bench` (scikit-learn, fastText) and the data that `--data` names: folders aclImdb and short_texts.
"""

import csv
import json
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

IMDB = {"imdb-200": 200, "imdb-1000": 1000, "imdb-5000": 5000, "imdb": 25_000}
SETS = (*IMDB, "mr", "cr", "subj", "sst2", "trec", "sms")
SYSTEMS = ("words", "words and characters", "fastText", "tfconv")
TESTED = 5_000  # reviews where few are trained on
ASKED = 200  # texts that are asked about one by one


@dataclass(frozen=True)
class Config:
    """What is compared."""

    data: Path  # folder that holds aclImdb and short_texts
    sets: tuple[str, ...] = SETS
    systems: tuple[str, ...] = SYSTEMS
    seed: int = 0  # of the splits


Labelled = list[tuple[str, str]]


def read(name: str, config: Config) -> tuple[Labelled, Labelled]:
    """Training and test rows of a set: (text, label)."""
    rng = np.random.default_rng(config.seed)
    if name in IMDB:
        n = IMDB[name]
        parts = []
        for split, size in (("train", n), ("test", 25_000 if n == 25_000 else TESTED)):
            files = sorted((config.data / "aclImdb" / split).glob("[np]*/*.txt"))
            chosen = [files[i] for i in rng.permutation(len(files))[:size]]
            parts.append([(file.read_text("utf-8"), file.parent.name) for file in chosen])
        return parts[0], parts[1]
    folder = config.data / "short_texts"
    if name == "sms":
        lines = (folder / "SMSSpamCollection").read_text("utf-8").splitlines()
        rows = [tuple(line.split("\t", 1)[::-1]) for line in lines]
        share = 0.3
    else:
        with open(folder / f"{name}.csv", encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))
        if "split" in table[0]:
            test = [(row["text"], row["label"]) for row in table if row["split"] == "test"]
            return [(row["text"], row["label"]) for row in table if row["split"] != "test"], test
        rows, share = [(row["text"], row["label"]) for row in table], 0.1
    order = rng.permutation(len(rows))
    held = int(share * len(rows))
    return [rows[i] for i in order[held:]], [rows[i] for i in order[:held]]


def of_scikit_learn(train: Path, test: Path, folder: Path, *, characters: bool) -> list[str]:
    """Ten lines of scikit-learn."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    parts = [TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)]
    if characters:
        parts.append(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True))
    model = make_pipeline(make_union(*parts), LogisticRegression(C=10, max_iter=1000))
    texts, labels = columns(train)
    model.fit(texts, labels)
    (folder / "model.pickle").write_bytes(pickle.dumps(model))
    (folder / "trained").touch()
    asked = columns(test)[0]
    time_alone(lambda text: model.predict([text]), asked, folder)
    return list(model.predict(asked))


def of_fasttext(train: Path, test: Path, folder: Path) -> list[str]:
    """FastText's classifier with word bigrams."""
    import fasttext

    texts, labels = columns(train)
    names = sorted(set(labels))
    lines = (f"__label__{names.index(label)} {one_line(text)}\n" for text, label in zip(texts, labels, strict=True))
    (folder / "train.txt").write_text("".join(lines), "utf-8")
    model = fasttext.train_supervised(str(folder / "train.txt"), wordNgrams=2, epoch=10, thread=2, verbose=0)
    model.save_model(str(folder / "model.bin"))
    (folder / "trained").touch()

    def ask(text: str) -> str:  # `predict` of the wheel does not go with NumPy 2; what it calls does
        label = model.f.predict(one_line(text) + "\n", 1, 0.0, "strict")[0][1]
        return names[int(label.removeprefix("__label__"))]

    asked = columns(test)[0]
    time_alone(ask, asked, folder)
    return [ask(text) for text in asked]


def of_tfconv(train: Path, test: Path, folder: Path) -> list[str]:
    """The command with all defaults."""
    command = [sys.executable, "-m", "tfconv", "train", "text", str(train), "--test", str(test), "--run"]
    subprocess.run([*command, str(folder / "run")], check=True, stdout=subprocess.DEVNULL)
    (folder / "trained").touch()
    from tfconv import export, runtime, training
    from tfconv.evaluation import predict

    runtime.configure("text")
    import tensorflow as tf

    run = training.load_run(folder / "run")
    asked = columns(test)[0]
    version = export.export_serving(run.model, run.preprocess, folder / "served")
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    time_alone(lambda text: signature(text=tf.constant([text]))["label"].numpy(), asked, folder)
    return [answer["label"] for answer in predict(asked, run)]


def time_alone(ask: Callable[[str], object], texts: list[str], folder: Path) -> None:
    """Note the median time of an answer to one text, after the first ones."""
    seconds = []
    for text in texts[:ASKED]:
        begin = time.perf_counter()
        ask(text)
        seconds.append(time.perf_counter() - begin)
    (folder / "milliseconds").write_text(str(1000 * float(np.median(seconds))))


def one_line(text: str) -> str:
    """A text in lower case without line breaks, as fastText reads it."""
    return " ".join(text.lower().split())


def columns(path: Path) -> tuple[list[str], list[str]]:
    """The texts and labels of a table that `compare` wrote."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def predicted(system: str, folder: Path) -> list[str]:
    """What one system says about the test texts of a folder."""
    train, test = folder / "train.csv", folder / "test.csv"
    if system == "fastText":
        return of_fasttext(train, test, folder)
    if system == "tfconv":
        return of_tfconv(train, test, folder)
    return of_scikit_learn(train, test, folder, characters=system != "words")


def macro_f1(labels: list[str], found: list[str]) -> float:
    """Mean F1 of the classes that occur."""
    scores = []
    for name in set(labels):
        both = sum(a == b == name for a, b in zip(labels, found, strict=True))
        scores.append(2 * both / (labels.count(name) + found.count(name)))
    return sum(scores) / len(scores)


def compare(config: Config) -> list[dict[str, object]]:
    """Train every system on every set, one after the other; print each row as it is measured."""
    rows: list[dict[str, object]] = []
    print(f"{'set':<10} {'system':<21} {'accuracy':>8} {'macro F1':>8} {'seconds':>8} {'ms':>6}")
    for name in config.sets:
        parts = dict(zip(("train", "test"), read(name, config), strict=True))
        for system in config.systems:
            with tempfile.TemporaryDirectory() as directory:
                folder = Path(directory)
                for split, part in parts.items():
                    with open(folder / f"{split}.csv", "w", encoding="utf-8", newline="") as file:
                        csv.writer(file).writerows([("text", "label"), *part])
                begin = time.time()
                command = [sys.executable, __file__, "--one", system, directory]
                subprocess.run(command, check=True)
                seconds = (folder / "trained").stat().st_mtime - begin
                found = json.loads((folder / "found.json").read_text())
                alone = float((folder / "milliseconds").read_text())
            labels = [label for _, label in parts["test"]]
            accuracy = sum(a == b for a, b in zip(labels, found, strict=True)) / len(labels)
            f1 = macro_f1(labels, found)
            rows.append(
                {"set": name, "system": system, "accuracy": accuracy, "f1": f1, "seconds": seconds, "ms": alone}
            )
            print(f"{name:<10} {system:<21} {100 * accuracy:>8.2f} {100 * f1:>8.2f} {seconds:>8.1f} {alone:>6.2f}")
            sys.stdout.flush()
    return rows


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        place = Path(sys.argv[3])
        (place / "found.json").write_text(json.dumps([str(label) for label in predicted(sys.argv[2], place)]))
    else:
        compare(tyro.cli(Config, description=__doc__))
