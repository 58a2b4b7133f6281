"""Optimizers, learning-rate schedules and averages of weights."""

from . import schedules as schedules
from .factory import make as make
