"""`tfconv lr-find`: which learning rate, and which batch size, for a training with these settings."""

import dataclasses
import shlex
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from tfconv.cli.plot import check_out, save
from tfconv.errors import InputError
from tfconv.kinds.fine_tuning import fine_tuning, settled
from tfconv.kinds.images import kind as train_images
from tfconv.kinds.options import by_size, check_numbers
from tfconv.kinds.source import balanced_weights, read_by_tensorflow
from tfconv.kinds.text import kind as train_text

if TYPE_CHECKING:
    from tfconv.training import BatchSizeTrial, LearningRateSweep

_STEPS_OF_A_FEW = 100  # batches among which the longest texts are looked for
_FEWEST_STEPS, _MOST_STEPS = 100, 200


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class LrFindText(Sweep, train_text.TrainText):
    """Settings of `tfconv lr-find text`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LrFindImages(Sweep, train_images.TrainImages):
    """Settings of `tfconv lr-find images`."""


def lr_find_text(config: Annotated[LrFindText, tyro.conf.arg(name="")]) -> None:
    """Find a learning rate for a text classifier: some steps with a rate that grows; nothing is kept but a figure.

    What counts only over a whole training, as epochs, schedule and ema do, is for the command that it prints last.
    """
    _lr_find(config, train_text, "text")


def lr_find_images(config: Annotated[LrFindImages, tyro.conf.arg(name="")]) -> None:
    """Find a learning rate for an image classifier: some steps with a rate that grows; nothing is kept but a figure.

    What counts only over a whole training, as epochs, schedule and ema do, is for the command that it prints last.
    """
    _lr_find(config, train_images, "images")


def _lr_find(config: Any, verb: ModuleType, kind: Any) -> None:
    verb.check(config)
    given, config = config, settled(config, kind)
    check_numbers(config, {"steps": 10}, ("start", "end"))
    if not config.start < config.end <= 1e30 * config.start:
        raise InputError(f"--end must be above --start, got {config.start:g} to {config.end:g}")
    check_out(config.out)
    from tfconv import runtime

    if read_by_tensorflow(config.data, kind):
        runtime.configure(kind, threads=config.threads)
    config = verb.settled(config)
    data = verb.read(config)
    print(data)
    runtime.configure(kind, threads=config.threads)
    runtime.set_seed(config.seed, deterministic=config.deterministic)
    import tensorflow as tf

    from tfconv import interpret, training

    config = by_size(config, data)
    data = verb.prepare(config, data)
    steps = config.steps or min(max(config.epochs * int(data.train.cardinality()), _FEWEST_STEPS), _MOST_STEPS)
    model = verb.build(config, data)
    loss, _ = verb.objective(config, data)
    optimizer = verb.optimizer(config, data)
    training.decay_kernels_only(optimizer, model)
    if config.from_ is not None:
        optimizer = fine_tuning(config, model, optimizer)
    batches = verb.training_batches(config, data)
    sweep = training.lr_find(
        model,
        batches,
        optimizer=optimizer,
        loss=loss,
        class_weight=balanced_weights(data) if config.balanced == "weights" else None,
        rates=(config.start, config.end),
        steps=steps,
    )
    save(interpret.lr_find_figure(sweep, title=f"{data.name}, {config.model}"), config.out)
    _print_sweep(sweep)
    if config.batch_sizes:
        batches = batches.take(1 if kind == "images" else _STEPS_OF_A_FEW)
        longest = max(batches, key=lambda batch: int(tf.size(batch[0])) / len(batch[0]))
        _print_sizes(training.probe_batch_sizes(model, longest, optimizer=optimizer, loss=loss))
    print(f"\nfigure: {config.out}")
    if sweep.learned:
        print(f"next:   {_next_command(given, kind, sweep.suggestions()['valley'])}")


def _print_sweep(sweep: "LearningRateSweep") -> None:
    """Print the suggestions, or that there is nothing to choose."""
    n = len(sweep.rates)
    print(f"\n{n} steps from learning rate {sweep.rates[0]:.1e} to {sweep.rates[-1]:.1e}")
    if not sweep.learned:
        print("the loss fell at no learning rate: look at the data, or give more --steps")
        return
    meanings = {
        "valley": "inside the longest fall of the loss; the one to try first",
        "steepest": "where the loss falls fastest",
        "a tenth": "of the rate with the lowest loss",
    }
    for name, rate in sweep.suggestions().items():
        print(f"  {name:<10}{rate:>9.2g}   {meanings[name]}")


def _print_sizes(trials: "list[BatchSizeTrial]") -> None:
    """Print what each batch size takes."""
    print("\nbatch size    memory   examples/s")
    for size, memory, speed in trials:
        taken = "-" if memory is None else f"{memory / 2**20:,.0f} MB"
        print(f"{size:>10}{taken:>10}{speed:>13,.0f}")


def _next_command(config: Any, kind: str, rate: float) -> str:
    """Return the training with this learning rate and the settings that were given here."""
    words = ["tfconv", "train", kind, shlex.quote(str(config.data)), "--run", "RUN", "--learning-rate", f"{rate:.2g}"]
    _, parent = type(config).__bases__
    without = {"data", "learning_rate", *(field.name for field in dataclasses.fields(Sweep))}
    for field in dataclasses.fields(parent):
        value = getattr(config, field.name)
        if field.name in without or value == field.default:
            continue
        words.append(f"--{field.name.rstrip('_').replace('_', '-')}")
        words += [] if value is True else [shlex.quote(str(value))]
    return " ".join(words)
