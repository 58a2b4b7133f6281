"""The scores at the end of a training and of `tfconv evaluate`: report, result, what is printed."""

import json
import textwrap
from pathlib import Path
from typing import Any


def score(
    config: Any, settings: dict[str, Any], data: Any, model: Any, history: Any, seconds: float, reading: list[str]
) -> dict[str, Any]:
    """Score on the test split (or what stands in for it), write report and result, print both; return the scores."""
    from tfconv import evaluation, training

    split = scored_split(data)
    report = config.run / "report"
    scores = evaluation.report(
        model,
        data.batches(split),
        report,
        class_names=data.class_names,
        task=data.task,
        notes=reading,
        about=about_scores(config.run, settings, data.name, split),
    )
    training.write_result(config.run, settings, history, {split: scores["metrics"]}, seconds, reading=reading)
    print(f"\n{split} split, {scores['examples']:,} {data.unit}s")
    print_scores(scores)
    print(f"\nreport: {report / 'report.md'}")
    return scores["metrics"]


def scored_split(data: Any) -> str:
    """The split that a training is scored on."""
    return next(name for name in ("test", "validation", "train") if name in data.examples)


def baseline_sentence(name: str, model: Any, data: Any) -> str:
    """What a simple model reaches on the split that the trained one is scored on."""
    from tfconv import evaluation

    split = scored_split(data)
    labels, logits = evaluation.labels_and_logits(model, data.batches(split))
    if data.task.exclusive:
        right = evaluation.probabilities(logits).argmax(axis=1) == labels
        metric, value = "accuracy", float(right.mean())
    else:
        metric = "micro/f1"
        value = evaluation.multi_label_metrics(labels, logits)[metric]
    return f"For comparison: {name} alone has {metric} {value:.4f} on the {split} split."


def about_scores(run: Path, settings: dict[str, Any], data: str, split: str) -> dict[str, str]:
    """Return what a report of a run's scores is about, by name."""
    found = {"run": str(run), "model": str(settings.get("model", "")), "data": data, "split": split}
    precision = str(settings.get("precision", ""))
    differing = [f"label smoothing {settings['label_smoothing']}"] if settings.get("label_smoothing") else []
    differing += [f"{precision} arithmetic"] if precision.startswith("mixed") else []
    if differing:
        found["average_loss"] = (
            "cross-entropy of the saved float32 model; the loss and val_loss of the training are with "
            f"{' and '.join(differing)}, and so are other numbers"
        )
    return {name: value for name, value in found.items() if value}


def print_scores(scores: dict[str, Any]) -> None:
    """Print the tables of a report, and what is to be known about its loss."""
    from tfconv import evaluation

    evaluation.print_scores(scores)
    if "average_loss" in scores["about"]:
        line = f"average_loss: {scores['about']['average_loss']}"
        print("\n".join(textwrap.wrap(line, 100, subsequent_indent="  ")))


def kept_reading(run: Path) -> list[str]:
    """Return what the curves of a run's training said, as its `result.json` has it; nothing where there is none."""
    try:
        reading = json.loads((run / "result.json").read_text("utf-8"))["reading"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []
    return [line for line in reading if isinstance(line, str)] if isinstance(reading, list) else []
