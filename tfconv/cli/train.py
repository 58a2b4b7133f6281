"""`tfconv train`: from labelled files to a run directory, for every kind of work."""

import contextlib
import dataclasses
import os
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from tfconv.cli.scores import baseline_sentence, score
from tfconv.errors import InputError
from tfconv.files import check_writable
from tfconv.kinds.fine_tuning import fine_tuning, inherited, taken_over
from tfconv.kinds.kind import Kind
from tfconv.kinds.options import balanced_weights, by_size, callbacks_of, chosen_precision, make_optimizer
from tfconv.kinds.source import fingerprint
from tfconv.training.runs.folder import refuse_file, refuse_held

# What may differ from worker to worker: what folders and files are called there, and the times of large ones.
_OF_ONE_WORKER = {"run", "data", "data_sha256", "test", "vectors", "from_", "strategy", "threads"}


def train_verb(kind: Kind) -> Callable[..., None]:
    """The verb `tfconv train KIND`."""

    def train_kind(config: Any) -> None:
        train(config, kind)

    train_kind.__doc__ = f"""Train {kind.title} on labelled files; score it on the test split; write a run folder."""
    train_kind.__annotations__["config"] = Annotated[kind.options, tyro.conf.arg(name="")]
    return train_kind


def train(config: Any, kind: Kind) -> None:
    """Train once, or as often as `--folds` and `--repeats` say.

    Args:
        config: settings, of the class `kind.options`.
        kind: what is trained.
    """
    kind.check(config)
    config = inherited(config, kind)
    # Of several workers, one may have begun to write already; `fit` asks again once the folder is taken.
    refuse_file(config.run)
    if not os.environ.keys() & {"TF_CONFIG", "SLURM_STEP_NUM_TASKS"}:  # where only the chief writes
        if config.folds is None and config.repeats == 1:
            refuse_held(config.run, resume=config.resume, overwrite=config.overwrite)
        check_writable(config.run, "--run")
    from tfconv import runtime

    strategy = None
    if kind.reads_with_tensorflow(config.data):
        runtime.configure(kind.work, threads=config.threads)
        strategy = _strategy(config)
    config = kind.settled(config)
    data = kind.read(config)
    config = kind.chosen(config, data)
    runtime.configure(kind.work, threads=config.threads)
    strategy = strategy or _strategy(config)
    import tensorflow as tf

    from tfconv import training

    chief = training.strategy.is_chief(strategy)
    given, config = config, by_size(config, data, strategy.num_replicas_in_sync)
    if chief:
        print(data)
        _print_chosen(given, config)
    if config.batch_size < strategy.num_replicas_in_sync:
        raise InputError(
            f"--batch-size {config.batch_size} gives some of {strategy.num_replicas_in_sync} replicas nothing: give at "
            "least one example for each, or another --strategy"
        )
    runtime.set_seed(config.seed, deterministic=config.deterministic)
    together = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    if config.snapshots and together:
        raise InputError("--snapshots is for one process: leave it out, or use another --strategy")
    if config.folds is None and config.repeats == 1:
        if _train_one(config, kind, data, strategy) is not None:
            print("\n".join(["next:", *(f"  {line}" for line in kind.next_commands(config.run))]))
        return
    if together:
        raise InputError("--folds and --repeats train one after the other, in one process: use another --strategy")
    _cross_validate(config, kind, data, strategy)


def _cross_validate(config: Any, kind: Kind, data: Any, strategy: Any) -> None:
    """Train on other parts each time, and print mean and standard deviation."""
    import numpy as np

    from tfconv import training

    if config.folds is not None and data.task.exclusive:
        pooled = [part for name, part in data.examples.items() if name != "test"]
        counts = np.sum([part.class_counts(len(data.class_names)) for part in pooled], axis=0)
        if counts.min() < config.folds:
            raise InputError(
                f"--folds {config.folds}: the class {data.class_names[counts.argmin()]!r} has {counts.min()} examples, "
                "so that some folds would have none: give fewer folds"
            )

    def train_part(part: Any, directory: Path | None) -> dict[str, Any]:
        print(f"\n{directory}", flush=True)
        one = dataclasses.replace(config, run=directory, folds=None, repeats=1)
        return _train_one(one, kind, part, strategy) or {}

    # What is scored must not be what early stopping looks at; a test split of its own stays as it is.
    fixed_test = config.folds is None and "test" in data.examples and not _is_fraction(getattr(config, "test", None))
    held_out: Literal["validation", "test"] = "validation" if fixed_test else "test"
    if config.folds is None and held_out not in data.examples:
        raise InputError(
            f"--repeats {config.repeats} draws the {held_out} split anew each time, and {data.name} has none: hold one "
            f"out with --{held_out} 0.2"
        )
    found = training.cross_validate(
        train_part,
        data,
        folds=config.folds,
        repeats=config.repeats,
        seed=config.seed,
        held_out=held_out,
        run=training.RunSettings(
            config.run, plain_settings(config, kind), resume=config.resume, overwrite=config.overwrite
        ),
    )
    print(f"\n{found.table()}\n\nsummary: {config.run / 'summary.json'}")


def _print_chosen(given: Any, config: Any) -> None:
    """Say what was chosen because there are few examples."""
    chosen = []
    if given.batch_size is None and config.batch_size < config.usual_batch_size:
        chosen.append(f"batches of {config.batch_size} (--batch-size)")
    if given.epochs is None and config.epochs > config.usual_epochs:
        chosen.append(f"{config.epochs} epochs (--epochs)")
    if chosen:
        print(f"few examples, so: {' and '.join(chosen)}")


def _train_one(config: Any, kind: Kind, data: Any, strategy: Any) -> dict[str, Any] | None:
    """One training and its scores; `None` in a worker that is not the chief."""
    import keras

    from tfconv import training
    from tfconv.training.distribution.workers import Workers

    data = kind.prepare(config, data)
    begin = time.monotonic()
    workers, settings = Workers(strategy), plain_settings(config, kind)
    with workers.together(config.run):  # before the model is built, which is an exchange of its weights
        workers.agree(_common(settings | {"precision": chosen_precision(config)}, data, kind))
    with strategy.scope():
        model = kind.build(config, data)
        optimizer = make_optimizer(config, data)
        training.decay_kernels_only(optimizer, model)
        if config.from_ is not None:
            optimizer = fine_tuning(config, model, optimizer)
    normalised = any(isinstance(layer, keras.layers.BatchNormalization) for layer in model._flatten_layers())
    if normalised and min(config.batch_size, len(data.examples["train"])) == 1:
        raise InputError(
            f"{config.model} has batch normalisation, which learns nothing of use from batches of one {data.unit} "
            f"(--batch-size {config.batch_size}): give 8 or more"
        )
    if workers.chief:
        if config.from_ is not None:
            print(taken_over(config, kind, data, model))
        print(kind.describe(config, data, model), flush=True)
    settings["precision"] = model.dtype_policy.name
    loss, metrics = kind.objective(config, data)
    history = training.fit(
        model,
        kind.training_batches(config, data),
        validation_data=data.validation if "validation" in data.examples else None,
        epochs=config.epochs,
        optimizer=optimizer,
        loss=loss,
        metrics=metrics,
        class_weight=balanced_weights(data) if config.balanced == "weights" else None,
        callbacks=callbacks_of(config, data),
        strategy=strategy,
        run_dir=config.run,
        preprocess=data.preprocess,
        config=settings,
        resume=config.resume,
        overwrite=config.overwrite,
    )
    seconds = time.monotonic() - begin
    with workers.together(config.run):  # none ends before the chief, which would wait for it if started again
        return workers.only_chief(lambda: _finished(config, kind, settings, data, model, history, seconds))


def _finished(
    config: Any, kind: Kind, settings: dict[str, Any], data: Any, model: Any, history: Any, seconds: float
) -> dict[str, Any]:
    """What the curves say, printed, and the scores."""
    from tfconv import evaluation, training

    held_out = data.examples.get("validation")
    reading = []
    if (curves := kind.curves(config, history.history)).get("loss"):  # there are none where a model was solved
        reading = evaluation.read_curves(
            curves,
            validation_examples=None if held_out is None else len(held_out),
            classes=len(data.class_names),
            task=data.task,
        )
    if (baseline := kind.baseline(config, data, model)) is not None:
        reading.append(baseline_sentence(*baseline))
    for sentence in reading:
        print("\n".join(textwrap.wrap(sentence, 100, subsequent_indent="  ")))
    return score(config, settings, data, training.in_float32(model), history, seconds, reading)


def _common(settings: dict[str, Any], data: Any, kind: Kind) -> dict[str, Any]:
    """What all workers of a training must have in common, by the names that a message may say."""
    found: dict[str, Any] = {name: value for name, value in settings.items() if name not in _OF_ONE_WORKER}
    found |= {"classes": data.class_names}
    found |= {f"{split} {data.unit}s": len(examples) for split, examples in data.examples.items()}
    return found | kind.agreed(data)


def _strategy(config: Any) -> Any:
    from tfconv import training

    return training.strategy.choose(config.strategy)


def _is_fraction(test: Any) -> bool:
    with contextlib.suppress(ValueError, TypeError):
        float(test)
        return True
    return test is None


def plain_settings(config: Any, kind: Kind) -> dict[str, Any]:
    """The settings as `config.json` keeps them, paths made whole so that `tfconv evaluate` finds them from anywhere."""
    values = dataclasses.asdict(config) | {"kind": kind.name, "data_sha256": fingerprint(config.data)}
    from tfconv.data.patterns import is_pattern

    for name in ("data", "test"):
        if values.get(name) is not None and (Path(str(values[name])).exists() or is_pattern(str(values[name]))):
            values[name] = str(Path(values[name]).absolute())
    values |= {name: str(value) for name, value in values.items() if isinstance(value, Path)}
    return values | {name: list(value) for name, value in values.items() if isinstance(value, tuple)}  # as JSON has it
