"""`tfconv evaluate`, `predict`, `export`: what is done with a finished run."""

import json
import sys
from pathlib import Path
from typing import Any

import tyro

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
    from tfconv.data import batches

    scores = evaluation.report(
        loaded.model,
        batches(ids, labels, batch_size=256),
        run / "report",
        class_names=loaded.class_names,
        multi_label=loaded.multi_label,
    )
    if json:
        print(_dumps(scores))
        return
    print(f"{what}, {scores['examples']:,} texts")
    evaluation.print_scores(scores)
    print(f"report: {run / 'report' / 'report.md'}")


def predict(
    run: tyro.conf.Positional[Path], texts: tyro.conf.Positional[tuple[str, ...]] = (), beside: tuple[Path, ...] = ()
) -> None:
    """Classify texts; one JSON line each: text, label, probabilities.

    Args:
        run: the run folder.
        texts: the texts; default: the lines of standard input.
        beside: more runs to ask about the same texts; each line then names its run.
    """
    _quiet_start()
    from tfconv import evaluation
    from tfconv.training import load_run

    runs = [evaluation.Predictor(load_run(directory)) for directory in (run, *beside)]
    lines = iter(texts) if texts else (line.rstrip("\r\n") for line in sys.stdin)
    while part := [line for line, _ in zip(lines, range(256), strict=False)]:
        for answer in evaluation.predict(part, runs):
            fields: dict[str, Any] = dict(answer)
            if not beside:
                del fields["run"]
            print(_dumps(fields), flush=not texts)


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
    print(f"{path}: written, loaded again by both of TensorFlow's loaders, answers equal")
    base = to.resolve()
    print(f"serve: tensorflow_model_server --rest_api_port=8501 --model_name={base.name} --model_base_path={base}")


def _quiet_start() -> None:
    from tfconv import runtime

    runtime.configure("text")


def _labelled(run: Any, data: str | None) -> tuple[Any, Any, str]:
    """Labels by the run's class numbers, encoded texts, and what to call them."""
    import numpy as np

    from tfconv.data import text_source, token_chunks

    source = {name: run.config.get(name) for name in ("text", "label", "split", "multi_label", "separator", "skip")}
    source = {name: value for name, value in source.items() if value is not None}
    own = data is None
    if own:
        if "data" not in run.config:
            raise InputError(f"{run.directory} does not say what it was trained on: give DATA")
        test = run.config.get("test")
        try:
            test = float(test)
        except (TypeError, ValueError):
            pass
        source |= {"validation": run.config["validation"], "seed": run.config["seed"], "test": test}
    found = text_source(run.config["data"] if own else data, **source)
    names = [name for name in ("test", "validation", "train") if name in found.examples]
    if not own:
        names = [name for name in names if name != "unlabelled"]
    else:
        names = names[:1]
    if unknown := sorted(set(found.class_names) - set(run.class_names)):
        raise InputError(
            f"{found.name} has the class {unknown[0]!r}, which the run does not know: {', '.join(run.class_names)}"
        )
    place = np.array([run.class_names.index(name) for name in found.class_names])
    parts = [found.examples[name] for name in names]
    if run.multi_label:
        labels = np.zeros((sum(map(len, parts)), len(run.class_names)), np.float32)
        labels[:, place] = np.concatenate([part.labels for part in parts])
    else:
        labels = place[np.concatenate([part.labels for part in parts])].astype(np.int32)
    texts = [text for part in parts for text in part.texts]
    ids = run.preprocess.encode(token_chunks(texts, run.preprocess.tokenizer))
    return labels, ids, f"{found.name}, {' and '.join(names)} split"


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
