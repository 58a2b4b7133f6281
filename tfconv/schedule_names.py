"""The names of learning-rate schedules: the command line offers them before it imports Keras."""

from typing import Literal, get_args

__all__: list[str] = []

Name = Literal["constant", "cosine", "one-cycle", "sgdr", "triangle", "flat-cosine", "step"]
NAMES = get_args(Name)
