"""`tfconv plot`: figures of a run, or learning-rate schedules, as a file."""

import difflib
import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from tfconv.errors import InputError
from tfconv.files import check_writable
from tfconv.kinds import KINDS
from tfconv.kinds.kind import Kind
from tfconv.kinds.source import unchanged_source
from tfconv.training.optimizers.schedule_names import USED_BY, check
from tfconv.training.runs.folder import look

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.figure import Figure


_COMMON: dict[str, tuple[str, ...]] = {"curves": (), "model": ()}  # of every kind
_OF_RUNS = ("count", "layer", "seed", "split")
_OF_SCHEDULES = ("epochs", "steps_per_epoch", "learning_rate", "warmup", "cycle_epochs", "cycle_multiplier")
_DPI = 144


def plot(
    run: tyro.conf.Positional[Path],
    figures: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FIGURE|SCHEDULE...")],
    out: Path | None = None,
    count: int | None = None,
    layer: str | None = None,
    seed: int | None = None,
    split: Literal["test", "validation", "train"] | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    learning_rate: float | None = None,
    warmup: float | None = None,
    cycle_epochs: int | None = None,
    cycle_multiplier: float | None = None,
) -> None:
    """Draw a run into a file: what it was trained on, answers, and learned. Or learning-rate schedules.

    Args:
        run: the run folder; or the word schedule, to draw the schedules that are named next.
        figures: curves: of the training. model: its diagram. Of a run of texts also tokens: those that speak most for
            and against a class. Of a run of images samples: images and labels; predictions: with the model's answers;
            confidence: right or wrong, sure or unsure; filters: of the first convolution; features: what a layer makes
            of an image. After schedule, one or more of constant, cosine, one-cycle, sgdr, triangle, flat-cosine and
            step.
        out: the file, .png, .svg, .pdf or another that matplotlib writes. Default: RUN/report/FIGURE.png.
        count: images, filters, maps or tokens at most.
        layer: name of the layer, for filters and features. Default: the first convolution.
        seed: chooses the images or texts; another number, others.
        split: whose images. Default: test, or what stands in for it.
        epochs: of a schedule. Default: 12.
        steps_per_epoch: of a schedule. Default: 100.
        learning_rate: the highest, of a schedule. Default: 0.003.
        warmup: share of the steps in which cosine and one-cycle rise. Default: 0.2.
        cycle_epochs: first cycle of sgdr, every cycle of triangle. Default: 1.
        cycle_multiplier: how many times as long each cycle of sgdr is as the one before. Default: 2.
    """
    values = locals()
    given = [name for name in (*_OF_RUNS, *_OF_SCHEDULES) if values[name] is not None]
    options = {name: values[name] for name in given}
    if str(run) == "schedule":
        _plot_schedules(figures, out, options)
    elif not figures:
        raise InputError(f"plot needs the kind of figure after RUN: {', '.join(_figures(None))}")
    elif len(figures) == 1:
        _plot_run(run, figures[0], out, options)
    else:
        raise InputError(
            f"plot draws one kind of figure at a time, got {len(figures)}: give {', '.join(_figures(None))}"
        )


def _figures(kind: Kind | None) -> dict[str, tuple[str, ...]]:
    """What is drawn of a run of this kind, or of any: name to the options that go with it."""
    found: dict[str, tuple[str, ...]] = {}
    for one in KINDS.values() if kind is None else (kind,):
        found |= one.figures
    return found | _COMMON


def _plot_schedules(names: tuple[str, ...], out: Path | None, options: dict[str, Any]) -> None:
    """Draw schedules, which no run is needed for."""
    if not names:
        raise InputError("plot schedule needs names: constant, cosine, one-cycle, sgdr, triangle, flat-cosine or step")
    if out is None:
        raise InputError("plot schedule needs --out FILE, such as schedule.png")
    for name in options:
        if name not in _OF_SCHEDULES:
            raise InputError(f"--{name} does not go with schedule")
        if name in USED_BY and not set(names) & set(USED_BY[name]):
            raise InputError(f"--{name.replace('_', '-')} is of {' and '.join(USED_BY[name])}: leave it out for others")

    settled(names, options)
    check_out(out)

    save(schedule_figure(names, options), out)
    print(out)


def _plot_run(run: Path, figure: str, out: Path | None, options: dict[str, Any]) -> None:
    """Draw one figure of a run."""
    known = _figures(None)
    if figure not in known:
        near = difflib.get_close_matches(figure, known, 1)
        guess = f"did you mean {near[0]}?" if near else f"it draws {', '.join(known)}"
        raise InputError(f"plot draws no {figure!r}: {guess}")
    model_only = figure == "model" or any(figure in kind.model_figures for kind in KINDS.values())
    folder = None if figure == "curves" else look(run, preprocess=not model_only)
    kind = None if folder is None or folder.kind is None else KINDS[folder.kind]
    if kind is not None and figure not in (own := _figures(kind)):
        raise InputError(f"{run} classifies {kind.unit}s, which have no {figure}: plot {' or '.join(own)}")
    for name in options:
        if name not in known[figure]:
            raise InputError(f"--{name.replace('_', '-')} does not go with {figure}")
    count, seed = options.get("count"), options.get("seed")
    if count is not None and not 1 <= count <= 400:
        raise InputError(f"--count must be from 1 to 400, got {count}")
    if seed is not None and not 0 <= seed < 2**32:
        raise InputError(f"--seed must be from 0 to 4294967295, got {seed}")
    path = out or run / "report" / f"{figure}.png"
    check_out(path)
    if figure == "model":
        from tfconv.interpret.diagram import check_diagram

        check_diagram(path)
    if kind is not None and not model_only:
        kind.check_source(unchanged_source(folder))
    if figure == "curves":
        from tfconv.interpret import curves_figure

        save(curves_figure(run, title=run.resolve().name), path)
    else:
        _plot_loaded(run, kind, figure, path, options)
    print(path)


def _plot_loaded(directory: Path, kind: Kind | None, figure: str, path: Path, options: dict[str, Any]) -> None:
    """Draw what needs the model."""
    from tfconv import runtime

    of_figure = kind or next((one for one in KINDS.values() if figure in one.figures), None)
    runtime.configure("text" if of_figure is None else of_figure.work)
    from tfconv import interpret
    from tfconv.training import load_run
    from tfconv.training.runs.run import load_model

    if of_figure is None or figure == "model":
        interpret.model_diagram(load_model(directory), path)
        return
    run = SimpleNamespace(model=load_model(directory)) if figure in of_figure.model_figures else load_run(directory)
    save(of_figure.draw(run, figure, options), path)


def check_out(path: Path) -> None:
    """Refuse a file that cannot be written, before a model is loaded for it."""
    from matplotlib.backend_bases import FigureCanvasBase

    endings = sorted(FigureCanvasBase.get_supported_filetypes().keys() - {"pgf"})  # which needs LaTeX
    if path.suffix.lower().removeprefix(".") not in endings:
        raise InputError(f"--out {path}: its ending is none of .{', .'.join(endings)}")
    if len(os.fsencode(path.name)) > 235:  # the temporary name beside it is longer
        raise InputError(f"--out {path.name[:60]}...: the name is too long: give a shorter one")
    if path.is_dir():
        raise InputError(f"--out {path} is a folder: give a file")
    check_writable(path, "--out")


def save(figure: "Figure", path: Path) -> None:
    """Write a figure, whole or not at all."""
    from tfconv.files import atomic_path

    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=_DPI)


_DEFAULTS: dict[str, Any] = {
    "epochs": 12,
    "steps_per_epoch": 100,
    "learning_rate": 0.003,
    "warmup": 0.2,
    "cycle_epochs": 1,
    "cycle_multiplier": 2.0,
}
_POINTS = 2000


def settled(names: tuple[str, ...], options: dict[str, Any]) -> dict[str, Any]:
    """The options with their defaults; no TensorFlow yet.

    Raises:
        InputError: a name is none, or a value is out of range.
    """
    chosen = _DEFAULTS | options
    for name in ("epochs", "steps_per_epoch", "cycle_epochs"):
        if not 1 <= chosen[name] <= 10**6:
            raise InputError(f"--{name.replace('_', '-')} must be from 1 to 1000000, got {chosen[name]}")
    try:
        for name in names:
            check(name, **{option: value for option, value in chosen.items() if option != "epochs"})
    except ValueError as error:
        raise InputError(f"plot schedule: {error}") from None
    for name in ("learning_rate", "cycle_multiplier"):
        if not 1e-30 <= chosen[name] <= 1e30:  # float32 has no squares of others
            raise InputError(f"--{name.replace('_', '-')} must be from 1e-30 to 1e+30, got {chosen[name]:g}")
    return chosen


def schedule_figure(names: tuple[str, ...], options: dict[str, Any]) -> "Figure":
    """Draw schedules by their names.

    Raises:
        InputError: a name is none, or a value is out of range.
    """
    chosen = settled(names, options)
    from tfconv import runtime

    runtime.configure("text")
    import numpy as np

    from tfconv import interpret
    from tfconv.training.optimizers import schedules

    steps = chosen["steps_per_epoch"] * chosen.pop("epochs")
    points = np.unique(np.linspace(0, steps - 1, min(steps, _POINTS)).astype(np.int64))
    rates, momenta = {}, {}
    for name in names:
        rates[name] = _values(schedules.schedule(name, steps=steps, **chosen), points)  # type: ignore[arg-type]
        momentum = schedules.momentum(name, steps, warmup=chosen["warmup"])  # type: ignore[arg-type]
        if not isinstance(momentum, float):
            momenta[name] = _values(momentum, points)
    return interpret.schedules_figure(points / chosen["steps_per_epoch"], rates, momenta)


def _values(course: Any, points: "npt.NDArray") -> "npt.NDArray":
    """Return the value at each step, in one graph: Keras' own schedules take one step at a time."""
    import numpy as np
    import tensorflow as tf

    if isinstance(course, float):
        return np.full(len(points), course)

    def value(step: tf.Tensor) -> tf.Tensor:
        return tf.cast(course(step), tf.float32)

    return tf.function(lambda: tf.map_fn(value, points, fn_output_signature=tf.float32))().numpy()
