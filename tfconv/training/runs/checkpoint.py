"""Checkpoints: all that a run needs to continue as if it had never stopped, in one file, whole or absent.

A checkpoint is a NumPy `.npz` archive without pickles: the variables of model, optimizer and metrics in order, the
arrays and numbers of the callbacks, the history, and the place in the data.
"""

import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import keras
import numpy as np

from tfconv.errors import InputError
from tfconv.files import atomic_write

__all__ = ["Place", "Position", "checkpoints", "contents", "newest", "numbers", "restore", "save"]

_NAME = re.compile(r"epoch-(\d+)-step-(\d+)\.npz")


class Place(NamedTuple):
    """The next batch: number `batch` of iteration `iteration` of the data set, both from 0."""

    iteration: int = 0
    batch: int = 0


class Position(NamedTuple):
    """How far training is: `step` steps of epoch `epoch` (from 0) are done, and where its data goes on."""

    epoch: int
    step: int
    place: Place = Place()


def contents(
    position: Position,
    model: keras.Model,
    callbacks: Sequence[keras.callbacks.Callback],
    begun: Sequence[dict[str, Any]] = (),
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return all that a checkpoint holds; a collective call of all workers, since metrics are summed over them.

    Args:
        position: how far training is.
        model: compiled and built.
        callbacks: in the order in which a resumed run has them.
        begun: their `numbers` after `on_train_begin`. What is still the same is no state, but a setting (patience, the
            name of a file), and a resumed run has its own.
        settings: what a resumed run must share, values that JSON can hold by name.

    Raises:
        FloatingPointError: a weight, or a variable of the optimizer, is NaN or infinite. (Metrics may be: one of
            validation tells nothing of the training.)
    """
    arrays = {f"variable_{i}": np.asarray(v.numpy()) for i, v in enumerate(_variables(model))}
    for variable, array in zip(_trained(model), arrays.values(), strict=False):  # metrics come last
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise FloatingPointError(f"variable {variable.path} holds a value that is NaN or infinite")
    meta: dict[str, Any] = {"epoch": position.epoch, "step": position.step, "paths": _paths(model)}
    meta |= {"place": position.place, "settings": dict(settings)}
    meta |= {"stopped": bool(model.stop_training), "callbacks": []}
    for i, (callback, before) in enumerate(zip(callbacks, begun, strict=True)):
        changed = {name: n for name, n in numbers(callback).items() if name not in before or not _same(n, before[name])}
        monitors = getattr(callback, "monitor_op", None) is not None
        if monitors:
            changed.pop("min_delta", None)  # a setting; its sign is found again with monitor_op
        lists = _lists(callback)
        state = {"class": type(callback).__name__, "monitors": monitors, "numbers": changed}
        state["lists"] = {name: len(parts) for name, parts in lists.items()}
        meta["callbacks"].append(state)
        arrays |= {f"callback_{i}_{name}_{j}": array for name, parts in lists.items() for j, array in enumerate(parts)}
    return {"meta": np.array(json.dumps(meta)), **arrays}


def save(directory: Path, position: Position, arrays: dict[str, Any], *, keep: int = 2) -> Path:
    """Write a checkpoint of `contents` and delete all but the newest `keep`.

    Raises:
        OSError: the disk is full; the checkpoints before are untouched.
    """
    path = directory / _file_name(position)
    with atomic_write(path) as file:
        np.savez(file, **arrays)
    for old in checkpoints(directory)[keep:]:
        old.unlink(missing_ok=True)
    return path


def checkpoints(directory: Path) -> list[Path]:
    """The checkpoints of a run, newest first."""
    found = [(tuple(map(int, m.groups())), p) for p in directory.glob("*.npz") if (m := _NAME.fullmatch(p.name))]
    return [path for _, path in sorted(found, reverse=True)]


def newest(directory: Path) -> bytes:
    """Return the bytes of the newest checkpoint that can be read; none where there is no checkpoint.

    Raises:
        InputError: there are checkpoints, and none can be read.
    """
    paths = checkpoints(directory)
    for path in paths:
        try:
            content = path.read_bytes()
            position, *_ = _parsed(content)
            if min(position.epoch, position.step, *position.place) < 0 or path.name != _file_name(position):
                raise ValueError
        except Exception:  # damaged after it was written, in whatever way: the one before is only older
            continue
        return content
    if paths:
        raise InputError(f"no checkpoint in {directory} can be read: delete the folder to start again")
    return b""


def restore(
    content: bytes, where: Path, model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]
) -> tuple[Position, dict[str, Any]]:
    """Restore model, optimizer, metrics and callbacks from a checkpoint of `newest`, found in `where`.

    Returns:
        The position to go on from, and the `settings` of the run that wrote it.

    Raises:
        InputError: the checkpoint belongs to another model, optimizer or set of callbacks.
    """
    position, meta, arrays = _parsed(content)
    _assign(where / _file_name(position), meta, arrays, model, callbacks)
    stopped = [c for c in callbacks if isinstance(c, keras.callbacks.EarlyStopping) and c.stopped_epoch]
    going_on = [callback for callback in stopped if callback.wait < callback.patience]  # it was given more patience
    for callback in going_on:
        callback.stopped_epoch = 0
    model.stop_training = meta["stopped"] and not (stopped and stopped == going_on)
    return position, meta["settings"]


def _parsed(content: bytes) -> tuple[Position, dict[str, Any], dict[str, np.ndarray]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    meta = json.loads(str(arrays.pop("meta")))
    meta["stopped"] = bool(meta["stopped"])
    return Position(int(meta["epoch"]), int(meta["step"]), Place(*map(int, meta["place"]))), meta, arrays


def _assign(
    path: Path,
    meta: dict[str, Any],
    content: dict[str, np.ndarray],
    model: keras.Model,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    variables = _variables(model)
    if len(meta["paths"]) != len(variables):
        raise InputError(
            f"{path} is of another model or optimizer: {len(meta['paths'])} variables, here {len(variables)}"
        )
    for i, variable in enumerate(variables):
        array = content.get(f"variable_{i}", np.zeros(0))
        if array.shape != tuple(variable.shape):
            raise InputError(
                f"{path} is of another model: {meta['paths'][i]} is {array.shape}, here {tuple(variable.shape)}"
            )
    here = [type(callback).__name__ for callback in callbacks]
    there = [state["class"] for state in meta["callbacks"]]
    if here != there:
        raise InputError(f"{path} was written with the callbacks {there}, here are {here}: resume with the same ones")
    for i, variable in enumerate(variables):
        variable.assign(content[f"variable_{i}"])
    for i, (callback, state) in enumerate(zip(callbacks, meta["callbacks"], strict=True)):
        if state["monitors"] and callback.monitor_op is None:
            callback._set_monitor_op()  # else the first epoch's end does, negating min_delta
        vars(callback).update(state["numbers"])
        for name, length in state["lists"].items():
            setattr(callback, name, [content[f"callback_{i}_{name}_{j}"] for j in range(length)])


def _file_name(position: Position) -> str:
    return f"epoch-{position.epoch:04d}-step-{position.step:08d}.npz"


def _trained(model: keras.Model) -> list[keras.Variable]:
    optimizer = model.optimizer.variables if model.optimizer is not None else []
    return [*model.variables, *optimizer]


def _variables(model: keras.Model) -> list[keras.Variable]:
    return [*_trained(model), *model.metrics_variables]


def _paths(model: keras.Model) -> list[str]:
    return [variable.path for variable in _variables(model)]


def numbers(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """A copy of a callback's public attributes that JSON can hold."""
    found = {}
    for name, value in _public(callback).items():
        plain = _plain(value)
        try:
            if _same(json.loads(json.dumps(plain)), plain):
                found[name] = plain
        except (TypeError, ValueError):
            continue  # a function, a writer, a model: made again with the callback
    return found


def _lists(callback: keras.callbacks.Callback) -> dict[str, list[np.ndarray]]:
    """A callback's public lists of arrays (`best_weights`)."""
    found = {name: value for name, value in _public(callback).items() if isinstance(value, list) and value}
    return {name: parts for name, parts in found.items() if all(isinstance(part, np.ndarray) for part in parts)}


def _public(callback: keras.callbacks.Callback) -> dict[str, Any]:
    hidden = ("model", "params", "validation_data")
    return {name: value for name, value in vars(callback).items() if not name.startswith("_") and name not in hidden}


def _same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # NaN is the same as NaN, and 1 not as True


def _plain(value: Any) -> Any:
    """NumPy scalars as Python's, inside dictionaries and lists too (`History.history`)."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value
