"""`tfconv evaluate`, `predict`, `export`: what is done with a finished run."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import tyro

from tfconv.cli.train_text import fingerprint
from tfconv.errors import InputError


def evaluate(
    run: tyro.conf.Positional[Path], data: tyro.conf.Positional[str | None] = None, json: bool = False
) -> None:
    """Score a run.

    Args:
        run: the run folder.
        data: a data set like the one it was trained on; all its splits count. Default: the run's own test split.
        json: print the scores as JSON in place of a table.
    """
    _quiet_start()
    from tfconv import evaluation
    from tfconv.training import load_run

    loaded = load_run(run)
    labels, ids, what = _labelled(loaded, data)
    directory = run / "report" if data is None else run / "report" / Path(data).stem
    from tfconv.data import batches

    scores = evaluation.report(
        loaded.model,
        batches(ids, labels, batch_size=256),
        directory,
        class_names=loaded.class_names,
        multi_label=loaded.multi_label,
    )
    if json:
        print(_dumps(scores))
        return
    print(f"{what}, {scores['examples']:,} texts")
    evaluation.print_scores(scores)
    print(f"report: {directory / 'report.md'}")


def predict(
    run: tyro.conf.Positional[Path],
    texts: tyro.conf.Positional[tuple[str, ...]] = (),
    beside: tyro.conf.UseAppendAction[tuple[Path, ...]] = (),
) -> None:
    """Classify texts; one JSON line each: text, label, probabilities.

    Args:
        run: the run folder.
        texts: the texts; default: the lines of standard input.
        beside: another run to ask about the same texts, may be given again; each line then names its run.
    """
    _quiet_start()
    from tfconv import evaluation
    from tfconv.training import load_run

    runs = [evaluation.Predictor(load_run(directory)) for directory in (run, *beside)]
    if not texts and sys.stdin is None:
        raise InputError("standard input is closed: give texts as arguments")
    # Bytes that are no UTF-8 become U+FFFD, as they do in the exported graph.
    lines = iter(texts or (line.rstrip("\r\n") for line in open(0, encoding="utf-8", errors="replace", closefd=False)))
    while part := [line for line, _ in zip(lines, range(256), strict=False)]:
        for answer in evaluation.predict(part, runs):
            fields: dict[str, Any] = dict(answer)
            if not beside:
                del fields["run"]
            try:
                print(_dumps(fields), flush=not texts)
            except BrokenPipeError:  # the reader (head, less) has what it wanted
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return


def export(
    run: tyro.conf.Positional[Path],
    to: tyro.conf.Positional[Path],
    keep: int = 3,
    onnx: bool = False,
    litert: bool = False,
) -> None:
    """Write the next version of a SavedModel that takes raw texts, for TensorFlow Serving.

    Args:
        run: the run folder.
        to: the model's folder, such as saved_models/reviews; the version becomes a numbered folder in it.
        keep: versions to keep, this one included.
        onnx: also write the network as ONNX (needs tfconv[onnx]).
        litert: also write the network as LiteRT.
    """
    _quiet_start()
    from tfconv.export import export_serving
    from tfconv.training import load_run

    loaded = load_run(run)
    path = export_serving(loaded.model, loaded.preprocess, to, keep=keep, onnx=onnx, litert=litert)
    for copy in sorted((path / "assets.extra").glob("model.*")):
        print(f"{copy}: written")
    print(f"{path}: written, loaded again by both of TensorFlow's loaders, answers equal")
    base = to.resolve()
    print(f"serve: tensorflow_model_server --rest_api_port=8501 --model_name={base.name} --model_base_path={base}")


def _quiet_start() -> None:
    from tfconv import runtime

    runtime.configure("text")


def _labelled(run: Any, data: str | None) -> tuple[Any, Any, str]:
    """Labels by the run's class numbers, encoded texts, and what to call them."""
    import numpy as np

    from tfconv.data import token_chunks

    what, texts, names = _own_texts(run) if data is None else _other_texts(run, data)
    if unknown := sorted({name for some in names for name in some} - set(run.class_names)):
        known = ", ".join(run.class_names)
        raise InputError(f"{what} has the class {unknown[0]!r}, which the run does not know: {known}")
    place = {name: number for number, name in enumerate(run.class_names)}
    labels = np.zeros((len(texts), len(run.class_names)), np.float32)
    for row, some in zip(labels, names, strict=True):
        row[[place[name] for name in some]] = 1
    ids = run.preprocess.encode(token_chunks(texts, run.preprocess.tokenizer))
    return labels if run.multi_label else labels.argmax(axis=1).astype(np.int32), ids, what


Texts = tuple[str, list[str], list[tuple[str, ...]]]  # what they are, the texts, the class names of each


def _own_texts(run: Any) -> Texts:
    """The test split that the run was scored on, or what stood in for it."""
    if not isinstance(run.config.get("data"), str):
        raise InputError(f"{run.directory} does not say what it was trained on: give DATA")
    from tfconv import data

    then, now = run.config.get("data_sha256"), fingerprint(run.config["data"])
    if then and now and then != now:
        raise InputError(f"{run.config['data']} changed since training, so its held-out rows are unknown: give DATA")
    options = _options(run, "split", "test", "validation", "seed")  # the same rows are held out as in training
    found = data.text_source(run.config["data"], **options)
    split = next(name for name in ("test", "validation", "train") if name in found.examples)
    return f"{found.name}, {split} split", found.examples[split].texts, _names(found, split)


def _other_texts(run: Any, data: str) -> Texts:
    """Every labelled text of another data set; classes may be rare or missing in it."""
    from tfconv import data as sources

    if Path(data).suffix.lower() in sources.TABLE_ENDINGS:
        options = {"text": "text", "label": "label"} | _options(run)
        skipped: list[str] | None = [] if options.pop("skip", False) else None
        rows = list(sources.rows(data, skipped=skipped, **options))
        if skipped:
            print(f"{len(skipped)} rows skipped, the first: {skipped[0]}", file=sys.stderr)
        if not rows:
            raise InputError(f"{data} holds no labelled text")
        names = [(label,) if isinstance(label, str) else label for _, _, label in rows]
        return Path(data).stem, [text for _, text, _ in rows], names
    found = sources.text_source(data, validation=0.0, **_options(run))
    splits = [name for name in found.examples if name != "unlabelled"]
    texts = [text for split in splits for text in found.examples[split].texts]
    return f"{found.name}, {' and '.join(splits)}", texts, [some for split in splits for some in _names(found, split)]


def _options(run: Any, *more: str) -> dict[str, Any]:
    """How the run's own data were read."""
    kept = ("text", "label", "multi_label", "separator", "delimiter", "skip", *more)
    return {name: run.config[name] for name in kept if run.config.get(name) is not None}


def _names(found: Any, split: str) -> list[tuple[str, ...]]:
    labels = found.examples[split].labels
    if found.multi_label:
        return [tuple(name for name, on in zip(found.class_names, row, strict=True) if on) for row in labels]
    return [(found.class_names[number],) for number in labels]


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
