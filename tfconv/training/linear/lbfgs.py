"""Minimize a smooth function by L-BFGS."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["minimize"]

Vector = npt.NDArray[Any]


def minimize(
    function: Callable[[Vector], tuple[float, Vector]],
    start: Vector,
    *,
    most: int = 100,
    tolerance: float = 1e-3,
    memory: int = 8,
) -> Vector:
    """Find where a smooth convex function is least, by limited-memory BFGS with a backtracking line search.

    Args:
        function: from a vector to its value and its gradient.
        start: where the search begins.
        most: iterations at most.
        tolerance: it ends where the gradient's norm is this fraction of that at the start, or where a step lowers the
            value by less than a thousandth of that fraction.
        memory: steps that the curvature is estimated from.

    Returns:
        The vector of the least value met.

    Reference: Nocedal and Wright, "Numerical Optimization", 2006, algorithms 3.1, 7.4 and 7.5.
    """
    point, (value, slope) = start, function(start)
    steps: list[tuple[Vector, Vector, float]] = []  # step, change of the gradient, their product
    first = float(np.linalg.norm(slope))
    for _ in range(most):
        if float(np.linalg.norm(slope)) <= tolerance * first:
            break
        direction = _direction(slope, steps)
        descent = float(np.vdot(slope, direction))
        length = 1.0
        for _ in range(20):
            new = point - length * direction
            new_value, new_slope = function(new)
            if new_value <= value - 1e-4 * length * descent:
                break
            length /= 2
        else:
            break  # no descent left in this precision
        step, change = new - point, new_slope - slope
        product = float(np.vdot(step, change))
        if product > 0:
            steps = [*steps, (step, change, product)][-memory:]
        gained = value - new_value
        point, value, slope = new, new_value, new_slope
        if gained <= 1e-3 * tolerance * abs(value):
            break
    return point


def _direction(slope: Vector, steps: list[tuple[Vector, Vector, float]]) -> Vector:
    """The gradient times the estimated inverse of the Hessian (two-loop recursion)."""
    direction = slope.copy()
    if not steps:
        return direction / max(float(np.linalg.norm(slope)), 1e-30)
    shares = []
    for step, change, product in reversed(steps):
        shares.append(float(np.vdot(step, direction)) / product)
        direction -= shares[-1] * change
    _, change, product = steps[-1]
    direction *= product / float(np.vdot(change, change))
    for (step, change, product), share in zip(steps, reversed(shares), strict=True):
        direction += (share - float(np.vdot(change, direction)) / product) * step
    return direction
