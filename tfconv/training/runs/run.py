"""The run directory: all that `evaluate`, `predict`, `export` and `serve` need of a training.

config.json     what was asked for                  checkpoints/   to resume from
model.keras     the trained model                   history.csv    one row an epoch
preprocess/     vocabulary or image size, names     logs/          TensorBoard
result.json     what came out                       report/        plots and tables
answers.npz     some inputs, and the outputs of the model as it was trained
"""

import contextlib
import io
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from filelock import FileLock, Timeout

from tfconv.data.preprocess import load_preprocess
from tfconv.errors import InputError
from tfconv.files import atomic_path, atomic_write, write_json
from tfconv.tasks import Task
from tfconv.training.runs.folder import CONTENTS, look, read_config, refuse_file, refuse_held

__all__ = [
    "PrecisionError",
    "Run",
    "RunSettings",
    "check_answers",
    "in_float32",
    "load_run",
    "write_answers",
    "write_result",
]

_MAY_CHANGE = {"epochs", "patience", "resume", "overwrite", "run", "strategy", "threads"}  # how far and where, not what
_ANSWERS = "answers.npz"
_MOST_EXAMPLES = 32  # in that file
_MOST_BYTES = 1 << 22


class PrecisionError(FloatingPointError):
    """The float32 model that a run would save scores worse than the model that was trained in mixed precision."""


@dataclass(frozen=True)
class Run:
    """A finished training, read back."""

    model: keras.Model
    preprocess: Any
    config: dict[str, Any]
    directory: Path

    @property
    def kind(self) -> str:
        """What it is a run of: "text" or "images", the word after `tfconv train`."""
        return self.preprocess.kind

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the outputs."""
        return self.preprocess.class_names

    @property
    def task(self) -> Task:
        """What it predicts: one class an example, or any number of labels."""
        return self.preprocess.task


@dataclass(frozen=True)
class RunSettings:
    """What is written into a run directory, and what becomes of a run that it holds.

    Args:
        directory: the folder.
        config: settings to save; a resumed run must have been started with the same.
        preprocess: what made the inputs, saved with the model.
        resume: continue the run that the folder holds.
        overwrite: delete the run that the folder holds.
        checkpoint_seconds: time between checkpoints inside an epoch.
    """

    directory: Path
    config: dict[str, Any] | None = None
    preprocess: Any = None
    resume: bool = False
    overwrite: bool = False
    checkpoint_seconds: float = 60.0


def load_run(directory: str | Path) -> Run:
    """Read a run directory.

    The model file is loaded in Keras' safe mode: a file from elsewhere cannot run code.

    Raises:
        InputError: the folder holds no finished run, one without preprocessing, or a file of it is broken.
    """
    folder = look(directory)
    return Run(
        load_model(folder.directory), load_preprocess(folder.directory / "preprocess"), folder.config, folder.directory
    )


def load_model(directory: str | Path) -> keras.Model:
    """Read the model of a run directory, which may have no preprocessing.

    Raises:
        InputError: the folder holds no finished run, or a file of it is broken.
    """
    path = look(directory, preprocess=False).directory / "model.keras"
    from tfconv import layers, models  # noqa: F401  registers our classes with Keras
    from tfconv.data import augment  # noqa: F401  and the layer for augmentation inside a model

    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # a damaged file fails in whatever part of Keras, zip or HDF5 it reaches
        raise InputError(f"{path} cannot be read as a Keras model: {error}") from None


@contextlib.contextmanager
def taken(directory: Path) -> Iterator[None]:
    """Make a folder where there is none, and lock it against other processes.

    Raises:
        InputError: it is no folder, cannot be written, or is in use.
    """
    refuse_file(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".lock").touch()  # FileLock takes a folder that cannot be written for one in use
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"{directory} cannot be written ({reason}): give a folder for the run that you may write to"
        ) from None
    lock = FileLock(directory / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(f"another process is training into {directory}: wait or choose another folder") from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def opened(settings: RunSettings) -> Iterator[Path]:
    """Lock a run directory, so that no second process writes into it; nothing in it is changed before `begin`.

    Raises:
        InputError: it holds a run and neither `resume` nor `overwrite` is set, or one of other settings or data, or
            something that is no run; it is no folder, or it is in use.
    """
    with taken(settings.directory):
        refuse_held(settings.directory, resume=settings.resume, overwrite=settings.overwrite)
        if settings.resume:
            _check_same(settings)
        yield settings.directory


def begin(settings: RunSettings) -> None:
    """Write settings and preprocessing of a run, and delete the files of one that is overwritten."""
    directory = settings.directory
    if not settings.resume:
        for name in CONTENTS:
            path = directory / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    if settings.config is not None:
        write_json(directory / "config.json", settings.config)
    if settings.preprocess is not None:
        settings.preprocess.save(directory / "preprocess")


def _check_same(settings: RunSettings) -> None:
    """Refuse to resume with other settings or data: the result would be that of neither."""
    directory, config, preprocess = settings.directory, settings.config, settings.preprocess
    path = directory / "config.json"
    if config is not None and path.exists():
        before = read_config(path)
        if before.get("swa_epochs") and before.get("epochs") != config.get("epochs"):
            raise InputError(
                f"{directory} averages the weights of the last epochs of {before.get('epochs')} (--swa-epochs), which "
                "others would not be: resume with the same --epochs, or choose another folder"
            )
        for name in sorted(before.keys() & config.keys() - _MAY_CHANGE):
            if before[name] != config[name]:
                if name == "data_sha256":
                    raise InputError(f"the data of {directory} changed since it was started: choose another folder")
                raise InputError(
                    f"{directory} was started with {name}={before[name]!r}, now it is {config[name]!r}: "
                    "resume with the same settings, or choose another folder"
                )
    if preprocess is not None and (directory / "preprocess").is_dir():
        with tempfile.TemporaryDirectory() as temporary:
            preprocess.save(temporary)
            for now in Path(temporary).iterdir():
                then = directory / "preprocess" / now.name
                if not then.is_file() or then.read_bytes() != now.read_bytes():
                    images = now.name == "image.json"
                    data = "images, classes or sizes" if images else "texts, classes or settings of tokens"
                    raise InputError(
                        f"{directory} was started on other {data} ({then.name} differs): "
                        "resume with the same, or choose another folder"
                    )


def save_model(model: keras.Model, directory: Path) -> None:
    """Write `model.keras`, whole or not at all."""
    with atomic_path(directory / "model.keras") as temporary:
        model.save(temporary)


def write_result(
    directory: str | Path,
    config: dict[str, Any],
    history: keras.callbacks.History,
    scores: dict[str, Any],
    seconds: float,
    *,
    reading: Sequence[str] = (),
) -> dict[str, Any]:
    """Write `result.json` into a run directory.

    Args:
        directory: the run directory.
        config: the settings, seed included.
        history: of the training.
        scores: split to metric to value.
        seconds: from the first step to the end of training and scoring.
        reading: findings on the curves (`tfconv.evaluation.read_curves`), for later reports.

    Returns:
        What was written.
    """
    result = {
        "config": config,
        "scores": scores,
        "epochs": len(history.epoch),
        "history": history.history,
        "reading": list(reading),
        "seconds": round(seconds, 1),
        "versions": {name: version(name) for name in ("tfconv", "tensorflow", "keras", "numpy")},
        "python": platform.python_version(),
        "machine": _machine(),
        "commit": _commit(),
    }
    write_json(Path(directory) / "result.json", result)
    return result


def _machine() -> str:
    """Cores and processor, as in "2 cores, Intel(R) Xeon(R) Processor"."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return f"{os.cpu_count()} cores, {name}"


def _commit() -> str | None:
    """The commit of the checkout that tfconv runs from; `None` when it is installed."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True)
    except OSError:
        return None  # no git here
    return done.stdout.strip() or None


def in_float32(model: keras.Model) -> keras.Model:
    """Return the model under the float32 dtype policy, with the same weights.

    Under a mixed policy weights are float32 and only the activations between layers are rounded. So nothing is lost,
    and the saved model is exact, and fast also on machines without 16-bit arithmetic.

    Args:
        model: built; a model class whose constructor has a `dtype` argument, as all of `tfconv.models` have.

    Returns:
        A model of the same class. One whose configuration has no mixed `dtype` is returned as it is.
    """
    try:
        config = model.get_config()
    except NotImplementedError:
        return model
    if config.get("dtype") not in ("mixed_bfloat16", "mixed_float16"):
        return model
    twin = type(model).from_config({**config, "dtype": "float32"})
    if not twin.built:
        twin.build(model.input_shape)
    twin.set_weights(model.get_weights())
    return twin


def check_loss(trained: float, saved: float, policy: str, what: str) -> None:
    """Refuse a float32 model that scores worse than the trained one by more than rounding explains.

    Args:
        trained: loss of the model as it was trained.
        saved: loss of its float32 twin on the same examples.
        policy: the dtype policy under which it was trained.
        what: the examples, for the message.

    Raises:
        PrecisionError: the losses are further apart than 5 % and 0.02, or the second is not finite.
    """
    if not saved <= trained + 0.02 + 0.05 * abs(trained):
        raise PrecisionError(
            f"the float32 model that would be saved has a loss of {saved:.4g} on {what}, the model as it was trained "
            f"({policy}) {trained:.4g}: rounding does not explain that; train in float32 (--precision float32)"
        )


def write_answers(directory: Path, model: keras.Model, inputs: Any) -> None:
    """Save some inputs with the model's outputs for `check_answers`; of models of one input and one output only.

    Args:
        directory: the run directory.
        model: as it was trained.
        inputs: a batch, of which up to 32 examples and 4 MB are saved.
    """
    if not isinstance(inputs, tf.Tensor) or not (inputs.dtype.is_floating or inputs.dtype.is_integer):
        return
    per_example = inputs.dtype.size * int(np.prod(inputs.shape[1:]))
    some = inputs[: max(2, min(_MOST_EXAMPLES, _MOST_BYTES // max(per_example, 1)))].numpy()
    answers = model(some, training=False)
    if not isinstance(answers, tf.Tensor):
        return
    answers = tf.cast(answers, tf.float32).numpy()
    with atomic_write(directory / _ANSWERS) as file:
        np.savez(file, inputs=some, answers=answers, policy=np.array(model.dtype_policy.name))


def check_answers(directory: Path, model: keras.Model) -> None:
    """Refuse a model whose outputs differ from those saved with the run; a run may have none.

    Args:
        directory: the run directory.
        model: the one that was read from it.

    Raises:
        InputError: the outputs differ by more than rounding, or their file cannot be read.
    """
    path = directory / _ANSWERS
    if not path.is_file():
        return
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            inputs, expected, policy = archive["inputs"], archive["answers"], str(archive["policy"])
        answers = model(inputs, training=False).numpy()
        if answers.shape != expected.shape:
            raise ValueError(f"{answers.shape} outputs in place of {expected.shape}")
    except Exception as error:  # a damaged file fails in whatever part of zip, NumPy or the model it reaches
        raise InputError(f"{path} does not fit the model beside it ({error}): copy the run anew") from error
    # Of the outputs' standard deviation; 16-bit activations have 2 or 3 digits, and the errors of layers add up.
    share = 0.25 if policy.startswith("mixed") else 0.01
    spread, off = float(np.std(expected)), float(np.sqrt(np.mean(np.square(answers - expected, dtype="float64"))))
    if not off <= share * spread + 0.01 * (1 + float(np.abs(expected).mean())):
        raise InputError(
            f"{directory / 'model.keras'} does not give the outputs that it gave when it was trained: on "
            f"{len(expected)} examples they are off by {off:.3g} where their standard deviation is {spread:.3g}; copy "
            "the run anew, or train again with --precision float32"
        )
