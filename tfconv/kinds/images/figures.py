"""What `tfconv plot` draws of a run of images: its images, the answers, what its layers learned."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tfconv.errors import InputError
from tfconv.kinds.images.examples import own_images

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.figure import Figure

__all__ = ["draw"]


def draw(run: Any, figure: str, options: Mapping[str, Any]) -> "Figure":
    """Draw one figure.

    Args:
        run: from `load_run`.
        figure: one of `ImageKind.figures`.
        options: count, layer, seed, split, as far as they were given.

    Raises:
        InputError: the run's data changed, or have no such split; the model has no such layer.
    """
    from tfconv import interpret

    count = {name: options[name] for name in ("count",) if name in options}
    if figure == "filters":
        return interpret.filters_figure(run.model, options.get("layer"), **count)
    data, scored = own_images(run)
    split = options.get("split") or scored
    if split not in data.examples:
        raise InputError(f"{data.name} has no {split} split: it has {', '.join(data.examples)}")
    part, names, title = data.examples[split], data.class_names, f"{data.name}, {split} split"
    if figure == "confidence":
        labels, shares = _answers(run, data, part)
        images: Any = _Images(part)
        return interpret.confidence_figure(images, labels, shares, names, title=title, **count)
    rows = np.random.default_rng(options.get("seed", 0)).permutation(len(part))
    if figure == "features":
        image = part.images(rows[:1])[0]
        layer = options.get("layer")
        return interpret.feature_maps_figure(run.model, image, layer, preprocess=run.preprocess, **count)
    part = part.take(rows[: count.get("count", 25)])
    if figure == "samples":
        return interpret.samples_figure(part.pixels, part.labels, names, title=title)
    labels, shares = _answers(run, data, part)
    return interpret.predictions_figure(part.pixels, labels, shares, names, title=title)


class _Images:
    """The images of a split one by one: all of them may be larger than memory."""

    def __init__(self, examples: Any):
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> "npt.NDArray":
        return self._examples.take([index]).pixels[0]


def _answers(run: Any, data: Any, examples: Any) -> "tuple[npt.NDArray, npt.NDArray]":
    """Labels and the model's probabilities."""
    from tfconv import evaluation

    batches = data.preparation.batches(examples, run.preprocess, training=False)
    labels, logits = evaluation.labels_and_logits(run.model, batches)
    return labels, evaluation.probabilities(logits, task=run.task)
