"""What `tfconv train text` and `tfconv train images` do with their settings, from data to report."""

import contextlib
import dataclasses
import textwrap
import time
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from tfconv.cli import from_run
from tfconv.cli.training_options import callbacks_of
from tfconv.cli.training_run import balanced_weights, plain_settings, score
from tfconv.errors import InputError


def train(config: Any, verb: ModuleType, kind: Literal["text", "images"]) -> None:
    """Train once, or as often as `--folds` and `--repeats` say.

    Args:
        config: `TrainText` or `TrainImages`.
        verb: the module of the two: its `check`, `read`, `prepare`, `build`, `objective`, `optimizer` and `following`.
        kind: which of the two.
    """
    config = from_run.settled(config, kind)
    verb.check(config)
    from tfconv import runtime

    strategy = None
    if kind == "images" and Path(config.data).exists():  # else the mistake shows at once; TensorFlow decodes pictures
        runtime.configure(kind, threads=config.threads)
        strategy = _strategy(config)
    data = verb.read(config)
    runtime.configure(kind, threads=config.threads)
    strategy = strategy or _strategy(config)
    import tensorflow as tf

    from tfconv import training

    chief = training.strategy.is_chief(strategy)
    if chief:
        print(data)
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
        if _train_one(config, verb, kind, data, strategy) is not None:
            print("\n".join(["next:", *(f"  {line}" for line in verb.following(config))]))
        return
    if together:
        raise InputError("--folds and --repeats train one after the other, in one process: use another --strategy")

    if config.folds is not None and not data.multi_label:
        counts = sum(part.class_counts(len(data.class_names)) for name, part in data.examples.items() if name != "test")
        if counts.min() < config.folds:
            raise InputError(
                f"--folds {config.folds}: the class {data.class_names[counts.argmin()]!r} has {counts.min()} examples, "
                "so that some folds would have none: give fewer folds"
            )

    def train_part(part: Any, directory: Path | None) -> dict[str, Any]:
        print(f"\n{directory}", flush=True)
        one = dataclasses.replace(config, run=directory, folds=None, repeats=1)
        return _train_one(one, verb, kind, part, strategy) or {}

    # What is scored must not be what early stopping looks at; a test split of its own stays as it is.
    fixed_test = config.folds is None and "test" in data.examples and not _is_fraction(config.test)
    found = training.cross_validate(
        train_part,
        data,
        folds=config.folds,
        repeats=config.repeats,
        seed=config.seed,
        held_out="validation" if fixed_test else "test",
        directory=config.run,
        settings=plain_settings(config, kind),
        resume=config.resume,
        overwrite=config.overwrite,
    )
    print(f"\n{found.table()}\n\nsummary: {config.run / 'summary.json'}")


def _train_one(config: Any, verb: ModuleType, kind: str, data: Any, strategy: Any) -> dict[str, Any] | None:
    """One training and its scores; `None` in a worker that is not the chief."""
    from tfconv import evaluation, training

    data = verb.prepare(config, data)
    begin = time.monotonic()
    chief = training.strategy.is_chief(strategy)
    with strategy.scope():
        model = verb.build(config, data)
        optimizer = verb.optimizer(config, data)
        training.decay_kernels_only(optimizer, model)
        if config.from_ is not None:
            optimizer = from_run.fine_tuning(config, model, optimizer)
    if chief:
        print(verb.describe(config, data, model), flush=True)
    settings = plain_settings(config, kind) | {"precision": model.dtype_policy.name}
    if config.schedule != "constant":  # what a resumed run must share: the learning rate's course
        settings["decay_epochs"] = config.epochs
    loss, metrics = verb.objective(config, data)
    history = training.fit(
        model,
        verb.training_batches(config, data),
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
    if not chief:
        return None
    held_out = data.examples.get("validation")
    reading = evaluation.read_curves(
        history.history,
        validation_examples=None if held_out is None else len(held_out),
        classes=len(data.class_names),
        multi_label=data.multi_label,
    )
    for sentence in reading:
        print("\n".join(textwrap.wrap(sentence, 100, subsequent_indent="  ")))
    seconds = time.monotonic() - begin
    return score(config, settings, data, training.in_float32(model), history, seconds, reading)


def _strategy(config: Any) -> Any:
    from tfconv import training

    return training.strategy.choose(config.strategy)


def _is_fraction(test: Any) -> bool:
    with contextlib.suppress(ValueError, TypeError):
        float(test)
        return True
    return test is None
