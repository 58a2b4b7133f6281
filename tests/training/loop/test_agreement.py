"""What workers compare before they train together, in threads: the exchange itself is in test_workers.py."""

import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import pytest
import tensorflow as tf

from tfconv import InputError, training
from tfconv.training.distribution.workers import Workers


class InMemory(Workers):
    """A worker whose numbers are added up in a list that all share."""

    def __init__(self, index: int, parts: list, barrier: threading.Barrier):
        self.index, self.parts, self.barrier = index, parts, barrier
        self.count, self.chief = len(parts), index == 0

    def _sum(self, values):
        self.parts[self.index] = values
        self.barrier.wait(timeout=20)
        total = sum(self.parts)
        self.barrier.wait(timeout=20)
        return total


def said(*given):
    """What each of the workers says, of which each is given something."""
    parts, barrier = [None] * len(given), threading.Barrier(len(given))

    def agree(index):
        try:
            InMemory(index, parts, barrier).agree(given[index])
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(len(given)) as pool:
        return list(pool.map(agree, range(len(given))))


def test_all_name_what_is_not_the_same():
    same = {"epochs": 3, "classes": ("a", "b"), "schedule": "step"}
    assert said(same, dict(same), dict(same)) == [None] * 3
    message = "epochs, classes not the same for all 3 workers: give each the same"
    assert said(same, same | {"epochs": 4}, same | {"classes": ("a",)}) == [message] * 3
    assert (
        said(same, {"epochs": 3, "schedule": "step"})
        == ["classes not the same for all 2 workers: give each the same"] * 2
    )


DATA = tf.data.Dataset.from_tensors((tf.zeros((4, 3)), tf.zeros((4,))))


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("train", DATA.repeat(2)),
        ("validation_data", DATA),
        ("epochs", 2),
        ("class_weight", {1: 2.0}),
        ("steps_per_execution", 3),
        ("resume", True),
    ],
)
def test_fit_compares_its_arguments_before_anything_else(name, argument, monkeypatch):
    compared = []

    def agree(self, given):
        compared.append({name: repr(value) for name, value in given.items()})
        raise InputError("stop")

    monkeypatch.setattr(Workers, "agree", agree)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    for arguments in ({"train": DATA}, {"train": DATA, name: argument}):
        with pytest.raises(InputError, match="stop"):
            training.fit(model, **arguments)
    assert {key for key in compared[0] if compared[0][key] != compared[1][key]} == {name}
