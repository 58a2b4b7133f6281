"""`tfconv evaluate`, `predict`, `export`: what is done with a finished run, of texts or of images."""

import itertools
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from tfconv import kinds
from tfconv.cli.scores import about_scores, kept_reading, print_scores
from tfconv.errors import InputError
from tfconv.files import check_writable
from tfconv.kinds.source import unchanged_source
from tfconv.training.runs.folder import RunFolder, look

if TYPE_CHECKING:
    from tfconv.evaluation import Prediction


def evaluate(
    run: tyro.conf.Positional[Path], data: tyro.conf.Positional[str | None] = None, json: bool = False
) -> None:
    """Score a run.

    Args:
        run: the run folder.
        data: a data set like the one it was trained on; all its splits count. Default: the run's own test split.
        json: print the scores as JSON in place of a table.
    """
    folder = look(run)
    kind = kinds.get(str(folder.kind))
    kind.check_source(data if data is not None else unchanged_source(folder))
    _start(folder)
    from tfconv import evaluation
    from tfconv.training import load_run

    loaded = load_run(run)
    dataset, what = kind.labelled(loaded, data)
    directory = run / "report" if data is None else run / "report" / Path(data).stem
    name, _, split = what.partition(", ")
    scores = evaluation.report(
        loaded.model,
        dataset,
        directory,
        class_names=loaded.class_names,
        task=loaded.task,
        notes=kept_reading(run),
        about=about_scores(run, loaded.config, name, split.removesuffix(" split") or "all rows"),
    )
    if json:
        print(_dumps(scores))
        return
    print(f"{what}, {scores['examples']:,} {kind.unit}s")
    print_scores(scores)
    print(f"report: {directory / 'report.md'}")


def predict(
    run: tyro.conf.Positional[Path],
    examples: tyro.conf.Positional[tuple[str, ...]] = (),
    beside: tyro.conf.UseAppendAction[tuple[Path, ...]] = (),
) -> None:
    """Classify texts, or image files; one JSON line each: text or image, label, probabilities.

    Args:
        run: the run folder.
        examples: texts, or paths of images, as the run was trained on; a folder or a quoted pattern such as
            'photos/*.png' stands for the images in it, reviews/ or 'reviews/*.txt' for texts; default: the lines of
            standard input.
        beside: another run to ask about the same, may be given again; each line then names its run.
    """
    folders = [look(directory) for directory in (run, *beside)]
    kind = kinds.get(str(folders[0].kind))
    for folder in folders:
        other = kinds.get(str(folder.kind))
        if other is not kind:
            raise InputError(f"{run} classifies {kind.unit}s and {folder.directory} {other.unit}s: ask them apart")
    if not examples and sys.stdin is None:
        raise InputError(f"standard input is closed: give {kind.unit}s, or their paths, as arguments")
    given = kind.given(examples)
    _start(folders[0])
    from tfconv import evaluation
    from tfconv.training import load_run

    runs = [evaluation.Predictor(load_run(directory)) for directory in (run, *beside)]
    # Bytes that are no UTF-8 become U+FFFD, as they do in the exported graph.
    lines = iter(
        given or ((line.rstrip("\r\n"), None) for line in open(0, encoding="utf-8", errors="replace", closefd=False))
    )
    bad: list[str] = []
    asked = 0
    while part := list(itertools.islice(lines, kind.batch)):
        asked += len(part)
        asked_about = [(kind.raw(example, file), file) for example, file in part]
        for file, answer in _answers(asked_about, runs, bad):
            fields: dict[str, Any] = ({} if file is None else {"file": file}) | dict(answer)
            if not beside:
                del fields["run"]
            try:
                print(_dumps(fields), flush=not examples)
            except BrokenPipeError:  # the reader (head, less) has what it wanted
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return
    if bad:
        more = f" ({len(bad)} of {asked} could not be read, this is the first)" if asked > 1 else ""
        raise InputError(f"{bad[0]}{more}")


def _answers(
    part: list[tuple[str, str | None]], runs: list[Any], bad: list[str]
) -> "list[tuple[str | None, Prediction]]":
    """Ask about some examples, one at a time where one cannot be read, noting those in `bad`."""
    from tfconv import evaluation

    try:
        answers = evaluation.predict([example for example, _ in part], runs)
    except InputError as error:
        if len(part) == 1:
            bad.append(str(error))
            return []
        return [answer for one in part for answer in _answers([one], runs, bad)]
    return list(zip((file for _, file in part for _ in runs), answers, strict=True))


def export(
    run: tyro.conf.Positional[Path],
    to: tyro.conf.Positional[Path],
    keep: int = 3,
    onnx: bool = False,
    litert: bool = False,
) -> None:
    """Write the next version of a SavedModel that takes raw texts or encoded images, for TensorFlow Serving.

    Args:
        run: the run folder.
        to: the model's folder, such as saved_models/reviews; the version becomes a numbered folder in it.
        keep: versions to keep, this one included.
        onnx: also write the network as ONNX (needs tfconv[onnx]).
        litert: also write the network as LiteRT.
    """
    folder = look(run)
    if not 1 <= keep < 2**31:
        raise InputError(f"--keep must be from 1 to 2147483647, got {keep}")
    if not to.resolve().name:
        raise InputError(f"TO must be a folder for the model, such as saved_models/reviews, got {to}")
    if to.exists() and not to.is_dir():
        raise InputError(f"{to} is a file: give a folder for the model")
    check_writable(to, "TO")
    _start(folder)
    from tfconv.export import export_serving
    from tfconv.training import check_answers, load_run

    loaded = load_run(run)
    check_answers(run, loaded.model)
    path = export_serving(loaded.model, loaded.preprocess, to, keep=keep, onnx=onnx, litert=litert)
    for copy in sorted((path / "assets.extra").glob("model.*")):
        print(f"{copy}: written")
    print(f"{path}: written, loaded again by both of TensorFlow's loaders, answers equal")
    base = to.resolve()
    print(f"serve: tensorflow_model_server --rest_api_port=8501 --model_name={base.name} --model_base_path={base}")


def _start(folder: RunFolder) -> None:
    """Import TensorFlow, set up for the run."""
    from tfconv import runtime

    runtime.configure("text" if folder.kind is None else kinds.get(folder.kind).work)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
