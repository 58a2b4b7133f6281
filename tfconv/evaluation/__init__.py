"""Scores of a trained classifier, its report, and its answers to raw sentences."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfconv.evaluation.curves import auc, average_precision, pr_curve, roc_curve, threshold_counts
    from tfconv.evaluation.figures import confusion_figure, pr_curve_figure, roc_curve_figure
    from tfconv.evaluation.metrics import (
        binary_metrics,
        class_scores,
        confusion_matrix,
        label_scores,
        many_class_metrics,
        multi_label_metrics,
        probabilities,
    )
    from tfconv.evaluation.prediction import Prediction, Predictor, predict
    from tfconv.evaluation.reading import read_curves
    from tfconv.evaluation.reports import labels_and_logits, report, write_pr_summaries
    from tfconv.evaluation.table import print_scores

# Name to module, so that metrics alone load neither TensorFlow nor matplotlib.
_HOMES = {
    "auc": "curves",
    "average_precision": "curves",
    "binary_metrics": "metrics",
    "class_scores": "metrics",
    "confusion_figure": "figures",
    "confusion_matrix": "metrics",
    "label_scores": "metrics",
    "labels_and_logits": "reports",
    "many_class_metrics": "metrics",
    "multi_label_metrics": "metrics",
    "pr_curve": "curves",
    "pr_curve_figure": "figures",
    "predict": "prediction",
    "print_scores": "table",
    "Prediction": "prediction",
    "Predictor": "prediction",
    "probabilities": "metrics",
    "read_curves": "reading",
    "report": "reports",
    "roc_curve": "curves",
    "roc_curve_figure": "figures",
    "threshold_counts": "curves",
    "write_pr_summaries": "reports",
}

__all__ = [
    "Prediction",
    "Predictor",
    "auc",
    "average_precision",
    "binary_metrics",
    "class_scores",
    "confusion_figure",
    "confusion_matrix",
    "label_scores",
    "labels_and_logits",
    "many_class_metrics",
    "multi_label_metrics",
    "pr_curve",
    "pr_curve_figure",
    "predict",
    "print_scores",
    "probabilities",
    "read_curves",
    "report",
    "roc_curve",
    "roc_curve_figure",
    "threshold_counts",
    "write_pr_summaries",
]


def __getattr__(name: str) -> Any:
    """Import a name's module when it is first asked for."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"tfconv.evaluation.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tfconv.evaluation' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
