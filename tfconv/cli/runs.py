"""`tfconv evaluate`, `predict`, `export`: what is done with a finished run, of texts or of images."""

import glob
import itertools
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from tfconv.data.image.headers import ENDINGS
from tfconv.data.patterns import is_pattern, matching_files
from tfconv.errors import InputError
from tfconv.files import check_writable
from tfconv.kinds.source import about_scores, check_source, kept_reading, print_scores, unchanged_source
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
    check_source(data if data is not None else unchanged_source(folder), str(folder.kind))
    _start(folder)
    from tfconv import evaluation
    from tfconv.training import load_run

    loaded = load_run(run)
    if loaded.kind == "images":
        from tfconv.kinds.images.kind import labelled_images

        dataset, what, unit = *labelled_images(loaded, data), "pictures"
    else:
        from tfconv.kinds.text.kind import labelled_texts

        dataset, what, unit = *labelled_texts(loaded, data), "texts"
    directory = run / "report" if data is None else run / "report" / Path(data).stem
    name, _, split = what.partition(", ")
    scores = evaluation.report(
        loaded.model,
        dataset,
        directory,
        class_names=loaded.class_names,
        multi_label=loaded.multi_label,
        notes=kept_reading(run),
        about=about_scores(run, loaded.config, name, split.removesuffix(" split") or "all rows"),
    )
    if json:
        print(_dumps(scores))
        return
    print(f"{what}, {scores['examples']:,} {unit}")
    print_scores(scores)
    print(f"report: {directory / 'report.md'}")


def predict(
    run: tyro.conf.Positional[Path],
    examples: tyro.conf.Positional[tuple[str, ...]] = (),
    beside: tyro.conf.UseAppendAction[tuple[Path, ...]] = (),
) -> None:
    """Classify texts, or picture files; one JSON line each: text or image, label, probabilities.

    Args:
        run: the run folder.
        examples: texts, or paths of pictures, as the run was trained on; a folder or a quoted pattern such as
            'photos/*.png' stands for the pictures in it, reviews/ or 'reviews/*.txt' for texts; default: the lines of
            standard input.
        beside: another run to ask about the same, may be given again; each line then names its run.
    """
    folder, *_ = [look(directory) for directory in (run, *beside)]
    if not examples and sys.stdin is None:
        raise InputError("standard input is closed: give texts, or paths of images, as arguments")
    given = _files_meant(examples, folder.kind == "images")
    _start(folder)
    from tfconv import evaluation
    from tfconv.training import load_run

    runs = [evaluation.Predictor(load_run(directory)) for directory in (run, *beside)]
    # Bytes that are no UTF-8 become U+FFFD, as they do in the exported graph.
    lines = iter(
        given or ((line.rstrip("\r\n"), None) for line in open(0, encoding="utf-8", errors="replace", closefd=False))
    )
    bad: list[str] = []
    asked = 0
    while part := list(itertools.islice(lines, 32 if runs[0].takes_images else 256)):
        asked += len(part)
        texts = [text if file is None else _text_of(file) for text, file in part]
        files = [file for _, file in part for _ in runs]
        for place, answer in enumerate(_answers(texts, runs, bad)):
            fields: dict[str, Any] = dict(answer)
            if not runs[0].takes_images and files[place] is not None:
                fields = {"file": files[place], **fields}
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


def _files_meant(examples: tuple[str, ...], images: bool) -> list[tuple[str, str | None]]:
    """Each example; for a folder or a pattern those in it, and of texts from files also the file.

    Raises:
        InputError: a folder or a pattern has no file.
    """
    found: list[tuple[str, str | None]] = []
    for example in examples:
        of_files = images or (example.endswith(".txt") and not re.search(r"\s", example))  # a text may hold a * or a ?
        if os.path.isdir(example) and (images or os.sep in example):  # "reviews" alone is a text
            names = _below(example, ENDINGS if images else (".txt",))
        elif of_files and is_pattern(example):
            names = [str(path) for path in matching_files(example)]
        elif of_files and (images or os.path.isfile(example)):
            names = [example]  # that a picture is not there is said when it is read
        else:
            found.append((example, None))
            continue
        found += [(name, None if images else name) for name in names]
    return found


def _below(folder: str, endings: tuple[str, ...]) -> list[str]:
    """The files with such endings in a folder and the folders in it."""
    try:
        found = matching_files(f"{glob.escape(folder)}/**")
    except InputError:
        found = []
    names = [str(path) for path in found if path.suffix.lower() in endings]
    if not names:
        raise InputError(f"{folder} holds no such file: {', '.join(endings)}")
    return names


def _text_of(file: str) -> str:
    """A text file's content; bytes that are not UTF-8 become U+FFFD, as they do in the exported graph."""
    try:
        return Path(file).read_text("utf-8", errors="replace").strip("\r\n")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); check its permissions") from error


def _answers(part: list[str], runs: list[Any], bad: list[str]) -> "list[Prediction]":
    """Ask about some texts or pictures; of pictures one at a time where one cannot be read, noting those in `bad`."""
    from tfconv import evaluation

    try:
        return evaluation.predict(part, runs)
    except InputError as error:
        if not runs[0].takes_images:
            raise
        if len(part) == 1:
            bad.append(str(error))
            return []
        return [answer for picture in part for answer in _answers([picture], runs, bad)]


def export(
    run: tyro.conf.Positional[Path],
    to: tyro.conf.Positional[Path],
    keep: int = 3,
    onnx: bool = False,
    litert: bool = False,
) -> None:
    """Write the next version of a SavedModel that takes raw texts or encoded pictures, for TensorFlow Serving.

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

    runtime.configure(folder.kind or "text")


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
