"""Settings that trainings of texts and of images share, and the optimizer that they name."""

import dataclasses
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import tyro

from tfconv.errors import InputError
from tfconv.kinds.source import dialect_of
from tfconv.runtime import MOST_THREADS
from tfconv.training.distribution import strategy_names
from tfconv.training.optimizers.schedule_names import USED_BY
from tfconv.training.optimizers.schedule_names import Name as Schedule

if TYPE_CHECKING:
    import keras

# What few examples get: about 16 batches an epoch, and 200 updates in all, in at most 60 epochs.
_BATCHES, _UPDATES, _MOST_EPOCHS, _SMALLEST_BATCH = 16, 200, 60, 8
Precision = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]
_LEAST = {
    "epochs": 1,
    "batch_size": 1,
    "patience": 0,
    "accumulate": 1,
    "swa_epochs": 1,
    "cycle_epochs": 1,
    "cycle_multiplier": 1,
    "folds": 2,
    "repeats": 1,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoOptions:
    """No settings."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DialectOptions:
    """How a CSV file is written, where a look at its first rows does not say so.

    Args:
        delimiter: between the columns, such as ; or tab
        no_header: the first row is data; columns are called 1, 2, ...
        quoting: none: quote characters are text
        encoding: such as latin-1; without it: UTF-8, or UTF-16 where the file says so
    """

    delimiter: str | None = None
    no_header: bool = False
    quoting: Literal["minimal", "none"] | None = None
    encoding: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableOptions(DialectOptions):
    """How labelled rows are read and split, for kinds whose data may be a table."""

    label: str | None = None  # column of the labels; without it: label, or found
    split: str | None = None  # column that says train, validation or test
    test: str | None = None  # file to test on, or the fraction of the examples to hold out for testing
    validation: float | None = None  # fraction of the training examples to hold out; without it: 0.1
    multi_label: bool = False  # an example may have any number of labels
    separator: str = "|"  # between the labels of one example
    skip: bool = False  # skip bad rows and broken files, and list them


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Settings of every training; each kind adds its own."""

    usual_epochs: ClassVar[int] = 10  # where there are enough examples
    usual_batch_size: ClassVar[int] = 64

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    run: Path  # folder for the run: model, preprocessing, checkpoints, history, report
    epochs: int | None = None  # passes over the training examples; without it: 10, more where there are few
    patience: int | None = None
    """stop after that many epochs without a better validation loss, not before 200 updates; keep the best weights"""
    batch_size: int | None = None  # examples a step, on all devices together; without it: 64, less where there are few
    learning_rate: float = 0.001  # the highest of the schedule
    optimizer: Literal["adam", "lazy-adam", "adagrad", "sgd", "muon"] = "adam"
    """lazy-adam and adagrad: only the tokens of a batch are updated"""
    lookahead: bool = False  # Lookahead around the optimizer, k=6, alpha=0.5
    schedule: Schedule = "constant"  # learning-rate schedule; see it with: tfconv plot schedule NAME
    warmup: float = 0.2  # fraction of the updates in which the learning rate of cosine and one-cycle rises
    cycle_epochs: int = 1  # length of the first cycle of sgdr, of each of triangle
    cycle_multiplier: int = 2  # factor by which each cycle of sgdr is longer than the one before
    snapshots: bool = False  # with --schedule sgdr: keep the model of each cycle's end in RUN/cycles
    weight_decay: float = 0.0  # decoupled weight decay; not of biases and normalization
    clip_norm: float | None = None  # gradients are clipped to this global norm
    accumulate: int = 1  # gradient accumulation: batches per update
    ema: float | None = None  # exponential moving average of the weights with this momentum, such as 0.999
    swa_epochs: int | None = None  # stochastic weight averaging over so many last epochs; no early stopping
    label_smoothing: float = 0.0  # label smoothing, from 0 to below 1; not with several labels
    balanced: Literal["no", "weights", "sampling"] = "no"  # balance classes: by class weights, or by oversampling
    precision: Precision = "float32"  # dtype policy of training; the saved model is float32
    strategy: str = "auto"  # devices: auto, cpu:N, mirrored or multiworker
    from_: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """run whose network to go on from; the classes may be others"""
    freeze_to: int | None = None  # with --from: train only the layer groups from this one on; -1: the head
    discriminative: float | None = (
        None  # with --from: learning rate of the first layer group, as a fraction of the head's
    )
    folds: int | None = None  # k-fold cross-validation
    repeats: int = 1  # trainings, or cross-validations, on so many random splits
    seed: int = 0  # random seed of splits, weights, shuffling and augmentation
    deterministic: bool = False  # deterministic operations: bit-equal runs, a little slower
    resume: bool = False  # go on where a stopped run was
    overwrite: bool = False  # replace a run that is in the folder
    threads: int | None = None  # intra-op threads; without it: one per core


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """What `tfconv lr-find` asks for beside the settings of a training, and what of these would do nothing."""

    run: tyro.conf.Suppress[Path] = Path("RUN")
    patience: tyro.conf.Suppress[int | None] = None
    resume: tyro.conf.Suppress[bool] = False
    overwrite: tyro.conf.Suppress[bool] = False
    strategy: tyro.conf.Suppress[str] = "auto"
    folds: tyro.conf.Suppress[int | None] = None
    repeats: tyro.conf.Suppress[int] = 1
    snapshots: tyro.conf.Suppress[bool] = False
    swa_epochs: tyro.conf.Suppress[int | None] = None
    out: Path  # file for the figure: .png, .svg, .pdf or another that matplotlib writes
    start: float = 1e-7  # learning rate of the first step
    end: float = 10.0  # learning rate of the last step
    steps: int | None = None  # at most; it stops when the loss explodes; without it: 200, less for few examples
    batch_sizes: bool = False  # also try batch sizes, as long as they fit into memory


def check_options(config: Any) -> None:
    """Refuse settings that are out of range or do not go together, before anything is read.

    Raises:
        InputError: naming the option, the rule and the value.
    """
    check_numbers(config, _LEAST, ("learning_rate", "clip_norm"))
    if config.threads is not None and not 1 <= config.threads <= MOST_THREADS:
        raise InputError(f"--threads must be from 1 to {MOST_THREADS}, got {config.threads}")
    for name in ("weight_decay", "label_smoothing", "ema", "warmup"):
        value = getattr(config, name)
        if value is not None and not 0 <= value < 1:
            raise InputError(f"--{name.replace('_', '-')} must be from 0 to below 1, got {value}")
    if not config.data or not config.run.name:
        raise InputError("DATA and --run must not be empty: give a file or folder, and a folder for the run")
    try:
        strategy_names.check(config.strategy)
    except InputError as error:
        raise InputError(f"--strategy: {error}") from None
    if not 0 <= config.seed < 2**32:
        raise InputError(f"--seed must be from 0 to 4294967295, got {config.seed}")
    if config.resume and config.overwrite:
        raise InputError("--resume keeps a run and --overwrite deletes it: give one of the two")
    _check_epochs(config)
    if config.ema == 0:
        raise InputError("--ema must be above 0, got 0: with it the average is the last weights")
    if config.swa_epochs is not None and config.ema is not None:
        raise InputError("--ema and --swa-epochs are two averages of the weights: give one")
    if config.optimizer in ("lazy-adam", "adagrad") and (config.accumulate > 1 or config.ema is not None):
        raise InputError(
            f"--accumulate and --ema work on whole tables, which {config.optimizer} does not: use --optimizer adam"
        )
    if config.swa_epochs is not None and config.patience not in (None, _default(config, "patience")):
        raise InputError("--patience stops early, --swa-epochs trains to the end: give one of the two")
    for name, schedules in USED_BY.items():
        if getattr(config, name) != _default(config, name) and config.schedule not in schedules:
            goes_with = " or ".join(f"--schedule {schedule}" for schedule in schedules)
            raise InputError(f"--{name.replace('_', '-')} goes with {goes_with}; got --schedule {config.schedule}")
    if config.snapshots and config.schedule != "sgdr":
        raise InputError(f"--snapshots goes with --schedule sgdr, whose cycles end; got --schedule {config.schedule}")
    if (config.folds or config.repeats > 1) and config.strategy == "multiworker":
        raise InputError("--folds and --repeats train one after the other: use another --strategy")


def check_table_options(config: Any) -> None:
    """Refuse settings of `TableOptions` that are out of range or do not go together.

    Raises:
        InputError: naming the option, the rule and the value.
    """
    if config.test == "":
        raise InputError("--test must not be empty: give a file, or the fraction to hold out for testing")
    dialect_of(config)
    if config.validation is not None and not 0 <= config.validation < 1:
        raise InputError(f"--validation must be a fraction from 0 to below 1, got {config.validation}")
    if config.balanced != "no" and config.multi_label:
        raise InputError("--balanced is for one label an example: leave it out with --multi-label")
    if config.multi_label and config.label_smoothing not in (0, _default(config, "label_smoothing")):
        raise InputError("--label-smoothing is for one label an example: leave it out with --multi-label")


def _check_epochs(config: Any) -> None:
    """Refuse what needs more epochs than there are, once their number is known."""
    if config.epochs is None:
        return
    if config.swa_epochs is not None and config.swa_epochs > config.epochs:
        raise InputError(f"--swa-epochs must be at most --epochs, {config.epochs}, got {config.swa_epochs}")
    if config.snapshots and config.cycle_epochs > config.epochs:
        raise InputError(
            f"--snapshots: no cycle of --cycle-epochs {config.cycle_epochs} ends in {config.epochs} epochs"
        )


def by_size(config: Any, data: Any, replicas: int = 1) -> Any:
    """Return the settings with a batch size and a number of epochs, by how many training examples there are.

    Without `--batch-size`: the power of two nearest to a sixteenth of them, from 8 to the usual one. Without
    `--epochs`: the usual number, or as many as 200 updates take, up to 60. So 243 photographs are trained on in 14
    epochs of 16 batches, not in 12 of two.

    Args:
        config: `TrainText` or `TrainImages`.
        data: what was read.
        replicas: that share a batch; each gets one example at least.

    Raises:
        InputError: `--swa-epochs` or `--cycle-epochs` are more than the epochs.
    """
    examples = len(data.examples["train"]) if "train" in data.examples else 0
    batch_size, epochs = config.batch_size, config.epochs
    if batch_size is None:
        nearest = 2 ** round(math.log2(max(examples, 1) / _BATCHES)) if examples > _BATCHES else 1
        batch_size = max(min(nearest, config.usual_batch_size), _SMALLEST_BATCH, replicas)
    if epochs is None:
        updates = max(examples // (batch_size * config.accumulate), 1)
        epochs = max(config.usual_epochs, min(-(-_UPDATES // updates), _MOST_EPOCHS))
    config = dataclasses.replace(config, batch_size=batch_size, epochs=epochs)
    _check_epochs(config)
    return config


def _default(config: Any, name: str) -> Any:
    return next(field.default for field in dataclasses.fields(config) if field.name == name)


def check_numbers(config: Any, least: dict[str, int], above_zero: tuple[str, ...]) -> None:
    """Refuse whole numbers below the least, and others that are not above zero.

    Raises:
        InputError: naming the option, the rule and the value.
    """
    for name, lowest in least.items():
        value = getattr(config, name)
        if value is not None and not lowest <= value < 2**31:
            raise InputError(f"--{name.replace('_', '-')} must be from {lowest} to 2147483647, got {value}")
    for name in above_zero:
        value = getattr(config, name)
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"--{name.replace('_', '-')} must be a number above 0, got {value}")
        if value is not None and not 1e-30 <= value <= 1e30:  # float32 has no squares of others
            raise InputError(f"--{name.replace('_', '-')} must be from 1e-30 to 1e+30, got {value}")


def make_optimizer(config: Any, data: Any) -> "keras.optimizers.Optimizer":
    """Return a new optimizer as the settings say, its learning rate following the schedule over the whole training."""
    from tfconv.training import optimizers
    from tfconv.training.optimizers import schedules

    batches = int(data.train.cardinality())
    if config.accumulate > batches * config.epochs > 0:
        raise InputError(
            f"--accumulate {config.accumulate} makes no update in {config.epochs} epochs of {batches} batches"
        )
    if config.snapshots and batches % config.accumulate:
        raise InputError(
            f"--snapshots are taken where an epoch and a cycle end: --accumulate {config.accumulate} must divide the "
            f"{batches} batches of an epoch; give another --accumulate or --batch-size"
        )
    updates = max(-(-batches * config.epochs // config.accumulate), 1)
    rate = schedules.schedule(
        config.schedule,
        config.learning_rate,
        updates,
        steps_per_epoch=max(batches // config.accumulate, 1),
        warmup=config.warmup,
        cycle_epochs=config.cycle_epochs,
        cycle_multiplier=config.cycle_multiplier,
    )
    momentum = None
    if config.schedule == "one-cycle" and config.optimizer not in ("muon", "adagrad"):  # with a number, and none
        momentum = schedules.momentum(config.schedule, updates, warmup=config.warmup)
    return optimizers.make(
        config.optimizer,
        rate,
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm,
        momentum=momentum,
        ema=config.ema,
        lookahead=config.lookahead,
        accumulate=config.accumulate,
    )


def callbacks_of(config: Any, data: Any) -> list["keras.callbacks.Callback"]:
    """Return the callbacks that the settings ask for: averages of the weights, snapshots, early stopping."""
    from tfconv import training
    from tfconv.files import atomic_path

    def keep(cycle: int, model: "keras.Model") -> None:
        with atomic_path(config.run / "cycles" / f"{cycle}.keras") as temporary:
            training.in_float32(model).save(temporary)

    found: list[Any] = []
    if config.snapshots:
        found.append(training.schedules.CycleEnd(keep, config.cycle_epochs, config.cycle_multiplier))
    if config.ema is not None:
        found.append(training.EMAWeights())  # before early stopping, which keeps the weights that were scored
    if not config.epochs:
        return found
    if config.swa_epochs is not None:
        return [*found, training.StochasticWeightAveraging(data.train, config.epochs - config.swa_epochs)]
    # The validation loss of few examples is chance: on 180 of MR's sentences, stopping by it in the first 200 updates
    # cost 1.5 points of accuracy, on 450 and on 900 half a point.
    updates = max(int(data.train.cardinality()) // config.accumulate, 1)
    return [*found, *early_stopping(data, config.patience, max(_UPDATES // updates - 1, 0))]


def chosen_precision(config: TrainingOptions) -> str:
    """Return the Keras dtype policy to train in."""
    from tfconv import runtime

    return runtime.precision() if config.precision == "auto" else config.precision


def early_stopping(data: Any, patience: int | None, first: int = 0) -> list["keras.callbacks.Callback"]:
    """Stop by the validation loss and keep the best weights, from the epoch `first` on; `None`: train to the end."""
    import keras

    if patience is None:
        return []
    if "validation" not in data.examples:
        print(f"no validation {data.unit}s: training runs for all epochs", file=sys.stderr)
        return []
    return [
        keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True, start_from_epoch=first)
    ]


def balanced_weights(data: Any) -> dict[int, float]:
    """Weights by which each class counts the same.

    Raises:
        InputError: examples have several labels.
    """
    if not data.task.exclusive:
        raise InputError(f"--balanced is for one label a {data.unit}: {data.name} has several")
    counts = data.examples["train"].class_counts(len(data.class_names))
    return {i: float(counts.sum() / (len(counts) * count)) for i, count in enumerate(counts)}
