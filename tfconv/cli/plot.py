"""`tfconv plot`: a run's pictures, answers, filters, curves and diagram, or learning-rate schedules, as a file."""

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from tfconv.errors import InputError
from tfconv.files import check_writable
from tfconv.kinds.source import check_source, unchanged_source
from tfconv.training.optimizers.schedule_names import USED_BY, check
from tfconv.training.runs.folder import look

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.figure import Figure


_OPTIONS = {  # what goes with each kind
    "samples": ("count", "seed", "split"),
    "predictions": ("count", "seed", "split"),
    "confidence": ("count", "split"),
    "filters": ("count", "layer"),
    "features": ("count", "layer", "seed", "split"),
    "curves": (),
    "model": (),
}
_OF_RUNS = ("count", "layer", "seed", "split")
_OF_SCHEDULES = ("epochs", "steps_per_epoch", "learning_rate", "warmup", "cycle_epochs", "cycle_multiplier")
_OF_TEXTS = ("curves", "model")
_OF_MODELS = ("model", "filters")  # which need nothing but the model
_DPI = 144


def plot(
    run: tyro.conf.Positional[Path],
    kind: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="|".join(_OPTIONS) + "|SCHEDULE...")],
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
        kind: samples: pictures and labels. predictions: with the model's answers. confidence: right or wrong, sure or
            unsure. filters: of the first convolution. features: what a layer makes of a picture. curves: of the
            training. model: its diagram. A run of texts has curves and model. After schedule, one or more of
            constant, cosine, one-cycle, sgdr, triangle, flat-cosine and step.
        out: the file, .png, .svg, .pdf or another that matplotlib writes. Default: RUN/report/KIND.png.
        count: pictures, filters or maps at most.
        layer: name of the layer, for filters and features. Default: the first convolution.
        seed: chooses the pictures; another number, other pictures.
        split: whose pictures. Default: test, or what stands in for it.
        epochs: of a schedule. Default: 12.
        steps_per_epoch: of a schedule. Default: 100.
        learning_rate: the highest, of a schedule. Default: 0.003.
        warmup: share of the steps in which cosine and one-cycle rise. Default: 0.2.
        cycle_epochs: first cycle of sgdr, every cycle of triangle. Default: 1.
        cycle_multiplier: how many times as long each cycle of sgdr is as the one before. Default: 2.
    """
    values = locals()
    given = [name for name in (*_OF_RUNS, *_OF_SCHEDULES) if values[name] is not None]
    if str(run) == "schedule":
        _plot_schedules(kind, out, {name: values[name] for name in given})
    elif not kind:
        raise InputError(f"plot needs the kind of figure after RUN: {', '.join(_OPTIONS)}")
    elif len(kind) == 1:
        _plot_run(run, kind[0], out, count, layer, seed, split, given)
    else:
        raise InputError(f"plot draws one kind of figure at a time, got {len(kind)}: give {', '.join(_OPTIONS)}")


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


def _plot_run(
    run: Path,
    kind: str,
    out: Path | None,
    count: int | None,
    layer: str | None,
    seed: int | None,
    split: str | None,
    given: list[str],
) -> None:
    """Draw one kind of figure of a run."""
    if kind not in _OPTIONS:
        near = difflib.get_close_matches(kind, _OPTIONS, 1)
        guess = f"did you mean {near[0]}?" if near else f"it draws {', '.join(_OPTIONS)}"
        raise InputError(f"plot draws no {kind!r}: {guess}")
    folder = None if kind == "curves" else look(run, preprocess=kind not in _OF_MODELS)
    if folder is not None and folder.kind == "text" and kind not in _OF_TEXTS:
        raise InputError(f"{run} classifies texts, which have no {kind}: plot {' or '.join(_OF_TEXTS)}")
    for name in given:
        if name not in _OPTIONS[kind]:
            raise InputError(f"--{name.replace('_', '-')} does not go with {kind}")
    if count is not None and not 1 <= count <= 400:
        raise InputError(f"--count must be from 1 to 400, got {count}")
    if seed is not None and not 0 <= seed < 2**32:
        raise InputError(f"--seed must be from 0 to 4294967295, got {seed}")
    path = out or run / "report" / f"{kind}.png"
    check_out(path)
    if kind == "model":
        from tfconv.interpret.diagram import check_diagram

        check_diagram(path)
    if kind not in ("curves", *_OF_MODELS):
        check_source(unchanged_source(folder), "images")
    if kind == "curves":
        from tfconv.interpret import curves_figure

        save(curves_figure(run, title=run.resolve().name), path)
    else:
        _plot_loaded(run, kind, path, count, layer, seed or 0, split)
    print(path)


def _plot_loaded(
    directory: Path, kind: str, path: Path, count: int | None, layer: str | None, seed: int, split: str | None
) -> None:
    """Draw what needs the model."""
    from tfconv import runtime

    runtime.configure("images")
    from tfconv import interpret
    from tfconv.training import load_run
    from tfconv.training.runs.run import load_model

    if kind == "model":
        interpret.model_diagram(load_model(directory), path)
    elif kind == "filters":
        save(interpret.filters_figure(load_model(directory), layer, count=count), path)
    else:
        save(
            _of_pictures(load_run(directory), kind, {} if count is None else {"count": count}, layer, seed, split), path
        )


def _of_pictures(
    run: Any, kind: str, count: dict[str, int], layer: str | None, seed: int, split: str | None
) -> "Figure":
    """Draw what needs the run's own pictures."""
    import numpy as np

    from tfconv import interpret
    from tfconv.kinds.images.kind import own_images

    data, scored = own_images(run)
    split = split or scored
    if split not in data.examples:
        raise InputError(f"{data.name} has no {split} split: it has {', '.join(data.examples)}")
    part, names, title = data.examples[split], data.class_names, f"{data.name}, {split} split"
    if kind == "confidence":
        labels, shares = _answers(run, data, part)
        pictures: Any = _Pictures(part)
        return interpret.confidence_figure(pictures, labels, shares, names, title=title, **count)
    rows = np.random.default_rng(seed).permutation(len(part))
    if kind == "features":
        image = part.images(rows[:1])[0]
        return interpret.feature_maps_figure(run.model, image, layer, preprocess=run.preprocess, **count)
    part = part.take(rows[: count.get("count", 25)])
    if kind == "samples":
        return interpret.samples_figure(part.pixels, part.labels, names, title=title)
    labels, shares = _answers(run, data, part)
    return interpret.predictions_figure(part.pixels, labels, shares, names, title=title)


class _Pictures:
    """The pictures of a split one by one: all of them may be larger than memory."""

    def __init__(self, examples: Any):
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> "npt.NDArray":
        return self._examples.take([index]).pixels[0]


def _answers(run: Any, data: Any, examples: Any) -> "tuple[npt.NDArray, npt.NDArray]":
    """Return labels and the model's probabilities."""
    from tfconv import evaluation

    batches = data.preparation.batches(examples, run.preprocess, training=False)
    labels, logits = evaluation.labels_and_logits(run.model, batches)
    return labels, evaluation.probabilities(logits, multi_label=run.multi_label)


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
