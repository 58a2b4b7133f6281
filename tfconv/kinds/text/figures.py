"""What `tfconv plot` draws of a run of texts: the tokens that speak for and against its classes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tfconv.errors import InputError
from tfconv.kinds.text.examples import own_texts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw"]

_WEIGHED, _LEFT_OUT = 400, 100  # texts whose n-grams are looked at, or whose tokens are left out one by one
_MOST_CLASSES = 12


def draw(run: Any, options: Mapping[str, Any]) -> "Figure":
    """Draw the strongest tokens: of two classes for and against the second, of more those for each.

    Args:
        run: from `load_run`.
        options: count and seed, as far as they were given.

    Raises:
        InputError: the run's data changed.
    """
    from tfconv import interpret

    _, texts, _ = own_texts(run)
    if not texts:
        raise InputError(f"{run.directory} has no texts to find tokens in")
    weighed = run.preprocess.ngrams is not None
    order = np.random.default_rng(options.get("seed", 0)).permutation(len(texts))
    some = [texts[i] for i in order[: _WEIGHED if weighed else _LEFT_OUT]]
    names = run.class_names[1:] if len(run.class_names) == 2 and run.task.exclusive else run.class_names
    count = options.get("count", 20 if len(names) == 1 else 8)
    found = []
    for name in names[:_MOST_CLASSES]:
        if weighed:
            found.append(interpret.significant_ngrams(run.model, run.preprocess, some, target=name, count=count))
        else:
            found.append(
                interpret.significant_tokens(run.model, run.preprocess, some, target=name, count=count, minimum=2)
            )
    return interpret.tokens_figure(found[0]) if len(names) == 1 else interpret.class_tokens_figure(found)
