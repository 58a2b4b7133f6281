"""`tfconv plot`: a run's pictures, answers, filters, curves and diagram as a file."""

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from tfconv.errors import InputError

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
_OF_TEXTS = ("curves", "model")
_DPI = 144


def plot(
    run: tyro.conf.Positional[Path],
    kind: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="|".join(_OPTIONS))],
    out: Path | None = None,
    count: int | None = None,
    layer: str | None = None,
    seed: int | None = None,
    split: Literal["test", "validation", "train"] | None = None,
) -> None:
    """Draw a run into a file: what it was trained on, answers, and learned.

    Args:
        run: the run folder.
        kind: samples: pictures and labels. predictions: with the model's answers. confidence: right or wrong, sure or
            unsure. filters: of the first convolution. features: what a layer makes of a picture. curves: of the
            training. model: its diagram. A run of texts has curves and model.
        out: the file, .png, .svg, .pdf or another that matplotlib writes. Default: RUN/report/KIND.png.
        count: pictures, filters or maps at most.
        layer: name of the layer, for filters and features. Default: the first convolution.
        seed: chooses the pictures; another number, other pictures.
        split: whose pictures. Default: test, or what stands in for it.
    """
    if kind not in _OPTIONS:
        near = difflib.get_close_matches(kind, _OPTIONS, 1)
        guess = f"did you mean {near[0]}?" if near else f"it draws {', '.join(_OPTIONS)}"
        raise InputError(f"plot draws no {kind!r}: {guess}")
    for name, value in (("count", count), ("layer", layer), ("seed", seed), ("split", split)):
        if value is not None and name not in _OPTIONS[kind]:
            raise InputError(f"--{name} does not go with {kind}")
    if count is not None and not 1 <= count <= 400:
        raise InputError(f"--count must be from 1 to 400, got {count}")
    if seed is not None and not 0 <= seed < 2**32:
        raise InputError(f"--seed must be from 0 to 4294967295, got {seed}")
    path = out or run / "report" / f"{kind}.png"
    _check_out(path)
    if kind == "curves":
        from tfconv.interpret import curves_figure

        _save(curves_figure(run, title=run.resolve().name), path)
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

    run = load_run(directory)
    if run.kind == "text" and kind not in _OF_TEXTS:
        raise InputError(f"{directory} classifies texts, which have no {kind}: plot {' or '.join(_OF_TEXTS)}")
    if kind == "model":
        interpret.model_diagram(run.model, path)
    elif kind == "filters":
        _save(interpret.filters_figure(run.model, layer, count=count), path)
    else:
        _save(_of_pictures(run, kind, {} if count is None else {"count": count}, layer, seed, split), path)


def _of_pictures(
    run: Any, kind: str, count: dict[str, int], layer: str | None, seed: int, split: str | None
) -> "Figure":
    """Draw what needs the run's own pictures."""
    import numpy as np

    from tfconv import interpret
    from tfconv.cli.run_images import own_images

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


def _check_out(path: Path) -> None:
    """Refuse a file that cannot be written, before a model is loaded for it."""
    from matplotlib.backend_bases import FigureCanvasBase

    endings = sorted(FigureCanvasBase.get_supported_filetypes().keys() - {"pgf"})  # which needs LaTeX
    if path.suffix.lower().removeprefix(".") not in endings:
        raise InputError(f"--out {path}: its ending is none of .{', .'.join(endings)}")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"--out {path} cannot be written: give a file in a folder that you may write to")


def _save(figure: "Figure", path: Path) -> None:
    from tfconv.files import atomic_path

    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=_DPI)
