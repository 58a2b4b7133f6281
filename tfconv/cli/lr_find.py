"""`tfconv lr-find`: which learning rate, and which batch size, for a training with these settings."""

import dataclasses
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from tfconv.cli.plot import check_out, save
from tfconv.errors import InputError
from tfconv.kinds.fine_tuning import fine_tuning, inherited
from tfconv.kinds.kind import Kind
from tfconv.kinds.options import Sweep, balanced_weights, by_size, check_numbers, make_optimizer

if TYPE_CHECKING:
    from tfconv.training import BatchSizeTrial, LearningRateSweep

_FEWEST_STEPS, _MOST_STEPS = 100, 200


def lr_find_verb(kind: Kind) -> Callable[..., None]:
    """The verb `tfconv lr-find KIND`."""

    def lr_find_kind(config: Any) -> None:
        lr_find(config, kind)

    lr_find_kind.__doc__ = f"""Find a learning rate for {kind.title}: some steps with a rate that grows.

    Nothing is kept but a figure. What counts only over a whole training, as epochs, schedule and ema do, is for the
    command that it prints last.
    """
    lr_find_kind.__annotations__["config"] = Annotated[kind.sweep_options, tyro.conf.arg(name="")]
    return lr_find_kind


def lr_find(config: Any, kind: Kind) -> None:
    """Try learning rates, and batch sizes where `config.batch_sizes`; print suggestions and write the figure.

    Args:
        config: settings of a training and of the sweep.
        kind: what is trained.
    """
    kind.check(config)
    given, config = config, inherited(config, kind)
    check_numbers(config, {"steps": 10}, ("start", "end"))
    if not config.start < config.end <= 1e30 * config.start:
        raise InputError(f"--end must be above --start, got {config.start:g} to {config.end:g}")
    check_out(config.out)
    from tfconv import runtime

    if kind.reads_with_tensorflow(config.data):
        runtime.configure(kind.work, threads=config.threads)
    config = kind.settled(config)
    data = kind.read(config)
    config = kind.chosen(config, data, steps=True)
    print(data)
    runtime.configure(kind.work, threads=config.threads)
    runtime.set_seed(config.seed, deterministic=config.deterministic)
    from tfconv import interpret, training

    config = by_size(config, data)
    data = kind.prepare(config, data)
    steps = config.steps or min(max(config.epochs * int(data.train.cardinality()), _FEWEST_STEPS), _MOST_STEPS)
    model = kind.build(config, data)
    loss, _ = kind.objective(config, data)
    optimizer = make_optimizer(config, data)
    training.decay_kernels_only(optimizer, model)
    if config.from_ is not None:
        optimizer = fine_tuning(config, model, optimizer)
    batches = kind.training_batches(config, data)
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
        longest = kind.longest_batch(batches)
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


def _next_command(config: Any, kind: Kind, rate: float) -> str:
    """Return the training with this learning rate and the settings that were given here."""
    words = [
        "tfconv",
        "train",
        kind.name,
        shlex.quote(str(config.data)),
        "--run",
        "RUN",
        "--learning-rate",
        f"{rate:.2g}",
    ]
    without = {"data", "learning_rate", *(field.name for field in dataclasses.fields(Sweep))}
    for field in dataclasses.fields(kind.options):
        value = getattr(config, field.name)
        if field.name in without or value == field.default:
            continue
        words.append(f"--{field.name.rstrip('_').replace('_', '-')}")
        words += [] if value is True else [shlex.quote(str(value))]
    return " ".join(words)
