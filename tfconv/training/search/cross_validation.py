"""Cross-validation and repeated random splits: several trainings, with mean and standard deviation of the scores."""

import collections
import contextlib
import json
import math
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

import keras
from keras.src.backend.common import global_state  # what Keras counts names with, under no public name

from tfconv.data.dataset import LabelledData
from tfconv.errors import InputError, check_whole
from tfconv.files import atomic_write, write_json
from tfconv.training.runs.run import RunSettings, taken

__all__ = ["CrossValidation", "cross_validate"]

Score = float | int | None
TrainOne = Callable[[Any, Path | None], Mapping[str, Score]]

_WIDTH = 100
_MAY_CHANGE = {"resume", "overwrite", "run", "threads"}
_ASIDE = ".replaced-"  # prefix of the folder that holds overwritten trainings for the time being
_COUNTS = "object_name_uids"


@dataclass(frozen=True)
class CrossValidation:
    """The scores of all trainings of a `cross_validate`.

    The deviation tells how much the score of one such training varies. It is not the error of the mean: the trainings
    share most of their examples, and there is no unbiased estimate of that error (Bengio & Grandvalet 2004).

    Args:
        scores: training, such as "fold-1", to metric to value; `None` where a metric has no value.
    """

    scores: dict[str, dict[str, Score]]

    @property
    def mean(self) -> dict[str, float]:
        """Mean of each metric over the trainings that have it; NaN where none has."""
        return {name: statistics.fmean(values) if values else math.nan for name, values in self._values().items()}

    @property
    def sd(self) -> dict[str, float]:
        """Sample standard deviation of each metric; NaN where fewer than two trainings have it."""
        return {n: statistics.stdev(values) if len(values) > 1 else math.nan for n, values in self._values().items()}

    def _values(self) -> dict[str, list[float]]:
        names = dict.fromkeys(name for scores in self.scores.values() for name in scores)
        found: dict[str, list[float]] = {name: [] for name in names}
        for scores in self.scores.values():
            for name, value in scores.items():
                if value is not None:
                    found[name].append(float(value))
        return found

    def table(self) -> str:
        """Return the scores as text, 100 columns wide at most: a line for each training, then mean and sd."""
        rows: dict[str, Mapping[str, Score]] = {**self.scores, "mean": self.mean, "sd": self.sd}
        first = max(map(len, rows))
        cells = {name: [_cell(row.get(name)) for row in rows.values()] for name in self._values()}
        widths = {name: min(max(len(name), *map(len, column)), 30) for name, column in cells.items()}
        blocks: list[list[str]] = [[]]
        for name, width in widths.items():
            if blocks[-1] and first + sum(widths[n] + 2 for n in blocks[-1]) + 2 + width > _WIDTH:
                blocks.append([])
            blocks[-1].append(name)
        lines = []
        for block in blocks:
            lines.append("  ".join([" " * first, *(name[-widths[name] :].rjust(widths[name]) for name in block)]))
            for number, row in enumerate(rows):
                lines.append("  ".join([row.ljust(first), *(cells[n][number].rjust(widths[n]) for n in block)]))
            lines.append("")
        return "\n".join(line.rstrip() for line in lines[:-1])


def _cell(value: Score) -> str:
    if value is None or math.isnan(value):
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def cross_validate(
    train_one: TrainOne,
    data: LabelledData,
    *,
    folds: int | None = 5,
    repeats: int = 1,
    seed: int = 0,
    held_out: Literal["validation", "test"] = "validation",
    run: RunSettings | None = None,
) -> CrossValidation:
    """Train once for each fold, or on repeated random splits, and collect the scores.

    Before each training the random numbers of Python, NumPy and Keras are seeded with `seed` plus its number, and Keras
    counts the names of layers from where it was before the first. So a training gives the same result whether or not
    those before it were resumed.

    Args:
        train_one: function from a data set and a folder to scores by name: it builds a new model, trains it on
            `train`, writes the run into the folder (`fit(run_dir=...)`) and scores it on the split `held_out`.
        data: texts or images; each training gets a `data.fold` or `data.resplit`.
        folds: number of folds; `None`: repeated random splits of the sizes that `data` has now.
        repeats: number of times that all folds are trained, with other folds each time.
        seed: seed of the folds (repeat r, from 0: seed + r) and of the trainings.
        held_out: the split that `train_one` scores. `"test"` for trainings that use the validation split, as early
            stopping does.
        run: what is written. Its `directory` gets a folder for each training (`fold-1`, `repeat-2`, or
            `repeat-2-fold-1`), and `summary.json`, written after each, with its `config`: what `train_one` trains with;
            to resume, it must be the same. `resume`: skip the trainings whose scores are in `summary.json`; an
            unfinished one is given to `train_one` again, with the same folder. `overwrite`: replace what an earlier
            call left there; it is deleted when the first training has ended, and restored where that raises an
            `InputError`. `None`: nothing is written, and `train_one` gets `None` in place of a folder.

    Raises:
        InputError: a number is out of range, the folder holds something and neither `resume` nor `overwrite` is set,
            what it holds was made with other settings, or another process writes into it.
        ValueError: `train_one` returns something else than numbers by name.
    """
    check_whole("repeats", repeats)
    check_whole("folds", folds, 2, optional=True)
    check_whole("seed", seed, 0, 32)
    if folds is None and repeats < 2:
        raise InputError(f"repeats must be 2 or more where there are no folds, got {repeats}")
    _part(data, 0, folds, seed, held_out)  # what it refuses shows before anything is written
    sizes = {split: len(part) for split, part in data.examples.items()}
    about: dict[str, Any] = {"folds": folds, "repeats": repeats, "seed": seed, "held_out": held_out, "examples": sizes}
    settings = (run.config if run is not None else None) or {}
    about["settings"] = {name: value for name, value in settings.items() if name not in _MAY_CHANGE}
    path = None if run is None else Path(run.directory) / "summary.json"
    scores: dict[str, dict[str, Score]] = {}
    with contextlib.ExitStack() as stack:
        replaced: list[str] = []
        if run is not None and path is not None:
            stack.enter_context(taken(path.parent))
            _tidy(path.parent)
            scores, replaced = _opened(path, about, run.resume, run.overwrite)
        left = [(number, name) for number, name in enumerate(_names(folds, repeats)) if name not in scores]
        counts = dict(global_state.get_global_attribute(_COUNTS, {}))
        for number, name in left:
            keras.utils.set_random_seed((seed + number) % 2**32)
            # Not `clear_session`, which would give a layer made here the name of one that the caller made before.
            global_state.set_global_attribute(_COUNTS, collections.defaultdict(int, counts))
            part = _part(data, number, folds, seed, held_out)
            with contextlib.ExitStack() as first:
                if path is not None and (number, name) == left[0]:
                    first.enter_context(_begun(path, about, scores, replaced, path.parent / name))
                scores[name] = _checked(train_one(part, None if path is None else path.parent / name))
            if path is not None:
                _write(path, about, scores)
    return CrossValidation(scores)


def _names(folds: int | None, repeats: int) -> list[str]:
    if folds is None:
        return [f"repeat-{repeat + 1}" for repeat in range(repeats)]
    each = [f"fold-{index + 1}" for index in range(folds)]
    return each if repeats == 1 else [f"repeat-{repeat + 1}-{fold}" for repeat in range(repeats) for fold in each]


def _part(data: LabelledData, number: int, folds: int | None, seed: int, held_out: Any) -> LabelledData:
    """What training `number` gets."""
    if folds is None:
        return data.resplit((seed + number) % 2**32, held_out=held_out)
    repeat, index = divmod(number, folds)
    return data.fold(index, folds, seed=(seed + repeat) % 2**32, held_out=held_out)


def _checked(scores: Mapping[str, Any]) -> dict[str, Score]:
    for name, value in scores.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, Real)):
            raise ValueError(f"train_one must give numbers by name, got {value!r:.60} for {name!r}")
    return {n: v if v is None else int(v) if isinstance(v, Integral) else float(v) for n, v in scores.items()}


def _tidy(folder: Path) -> None:
    """Remove what a killed process had set aside; the caller has taken the folder, so no other is at work in it."""
    try:
        current = json.loads((folder / "summary.json").read_text("utf-8"))["scores"]
    except (OSError, ValueError, LookupError, TypeError):
        current = {}
    for aside in folder.glob(f"{_ASIDE}*/"):
        for training in aside.iterdir():
            if training.name in current and not (folder / training.name).exists():
                training.rename(folder / training.name)  # it was killed before the summary was replaced
        shutil.rmtree(aside)


def _opened(
    path: Path, about: dict[str, Any], resume: bool, overwrite: bool
) -> tuple[dict[str, dict[str, Score]], list[str]]:
    """The scores that are there already, and the folders to be replaced."""
    folder = path.parent
    if any((folder / name).exists() for name in ("config.json", "model.keras")):
        raise InputError(f"{folder} holds a run of one training: choose another folder")
    scores: dict[str, dict[str, Score]] = {}
    names: list[str] = []
    if path.exists():
        try:
            summary = json.loads(path.read_text("utf-8"))
            before, scores = summary["about"], {name: dict(found) for name, found in summary["scores"].items()}
            names, _ = _names(before["folds"], before["repeats"]), {**before["settings"]}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is no summary of a cross-validation ({error!r:.80}): remove it") from None
        if overwrite:
            return {}, names
        if not resume:
            raise InputError(
                f"{folder} holds a cross-validation already: go on with resume=True (--resume), replace it with "
                "overwrite=True (--overwrite), or choose another folder"
            )
        _check_same(folder, before, json.loads(json.dumps(about)))
    return scores, []


@contextlib.contextmanager
def _begun(
    path: Path, about: dict[str, Any], scores: dict[str, dict[str, Score]], replaced: list[str], first: Path
) -> Iterator[None]:
    """Let the folder hold this cross-validation; a mistake that its first training finds leaves all as it was."""
    folder, before = path.parent, path.read_bytes() if path.exists() else None
    with tempfile.TemporaryDirectory(dir=folder, prefix=_ASIDE) as aside:
        held = [name for name in replaced if (folder / name).is_dir()]
        for name in held:
            (folder / name).rename(Path(aside) / name)
        is_new = not first.exists()
        _write(path, about, scores)
        try:
            yield
        except InputError:
            if is_new:
                shutil.rmtree(first, ignore_errors=True)
            for name in held:
                (Path(aside) / name).rename(folder / name)
            if before is None:
                path.unlink()
            else:
                with atomic_write(path) as file:
                    file.write(before)
            raise


def _check_same(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    before, now = ({**one, **one["settings"], "settings": None} for one in (before, now))
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise InputError(
                f"{folder} was started with {name}={before.get(name)!r}, now it is {now.get(name)!r}: resume with the "
                "same, or choose another folder"
            )


def _write(path: Path, about: dict[str, Any], scores: dict[str, dict[str, Score]]) -> None:
    found = CrossValidation(scores)
    mean, sd = ({n: None if math.isnan(v) else v for n, v in part.items()} for part in (found.mean, found.sd))
    write_json(path, {"about": about, "scores": scores, "mean": mean, "sd": sd})
