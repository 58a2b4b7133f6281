"""Scores as a table on a terminal, never wider than 100 columns."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tfconv.evaluation.reports import named_metrics

__all__ = ["print_scores"]

_CLASSES_SHOWN = 20


def print_scores(scores: dict[str, Any]) -> None:
    """Print what `report` returns: the metrics, then precision, recall and F1 of each class.

    Args:
        scores: the dictionary of `tfconv.evaluation.report`.
    """
    console = Console(width=min(Console().width, 100), markup=False)  # a class may be called [bold]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric", overflow="ellipsis", no_wrap=True, max_width=60)
    table.add_column("value", justify="right")
    for name, value in named_metrics(scores).items():
        table.add_row(name, _number(value))
    console.print(table)
    classes = list(scores["classes"].items())
    columns = [name for name, value in classes[0][1].items() if not isinstance(value, list)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", overflow="ellipsis", no_wrap=True, max_width=40)
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for name, values in classes[:_CLASSES_SHOWN]:
        table.add_row(name, *(_number(values[column]) for column in columns))
    console.print(table)
    if len(classes) > _CLASSES_SHOWN:
        console.print(f"and {len(classes) - _CLASSES_SHOWN} more classes, in report.md", highlight=False)


def _number(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
