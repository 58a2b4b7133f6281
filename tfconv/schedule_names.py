"""The names of learning-rate schedules and what each can be told: the command line asks before it imports Keras."""

from typing import Literal, get_args

__all__: list[str] = []

Name = Literal["constant", "cosine", "one-cycle", "sgdr", "triangle", "flat-cosine", "step"]
NAMES = get_args(Name)
USED_BY = {  # an option of only some schedules, and which these are
    "warmup": ("cosine", "one-cycle"),
    "cycle_epochs": ("sgdr", "triangle"),
    "cycle_multiplier": ("sgdr",),
}
