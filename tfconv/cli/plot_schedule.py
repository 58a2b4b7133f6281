"""`tfconv plot schedule`: learning rates over a training as a figure, without a run."""

from typing import TYPE_CHECKING, Any

from tfconv.errors import InputError
from tfconv.schedule_names import check

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.figure import Figure

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
    from tfconv.training import schedules

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
