"""What `tfconv train text` and `tfconv train images` do with their settings, from data to report."""

import contextlib
import dataclasses
import os
import textwrap
import time
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from tfconv.errors import InputError
from tfconv.files import check_writable
from tfconv.kinds import fine_tuning as from_run
from tfconv.kinds.options import by_size, callbacks_of, chosen_precision
from tfconv.kinds.source import balanced_weights, plain_settings, read_by_tensorflow, score
from tfconv.training.runs.folder import refuse_file, refuse_held

# What may differ from worker to worker: what folders and files are called there, and the times of large ones.
_OF_ONE_WORKER = {"run", "data", "data_sha256", "test", "vectors", "from_", "strategy", "threads"}


def train(config: Any, verb: ModuleType, kind: Literal["text", "images"]) -> None:
    """Train once, or as often as `--folds` and `--repeats` say.

    Args:
        config: `TrainText` or `TrainImages`.
        verb: the module of the two: its `check`, `settled`, `read`, `prepare`, `build`, `objective`, `optimizer` and
            `following`.
        kind: which of the two.
    """
    verb.check(config)
    config = from_run.settled(config, kind)
    # Of several workers, one may have begun to write already; `fit` asks again once the folder is taken.
    refuse_file(config.run)
    if not os.environ.keys() & {"TF_CONFIG", "SLURM_STEP_NUM_TASKS"}:  # where only the chief writes
        if config.folds is None and config.repeats == 1:
            refuse_held(config.run, resume=config.resume, overwrite=config.overwrite)
        check_writable(config.run, "--run")
    from tfconv import runtime

    strategy = None
    if read_by_tensorflow(config.data, kind):
        runtime.configure(kind, threads=config.threads)
        strategy = _strategy(config)
    config = verb.settled(config)
    data = verb.read(config)
    runtime.configure(kind, threads=config.threads)
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


def _train_one(config: Any, verb: ModuleType, kind: str, data: Any, strategy: Any) -> dict[str, Any] | None:
    """One training and its scores; `None` in a worker that is not the chief."""
    import keras

    from tfconv import training
    from tfconv.training.distribution.workers import Workers

    data = verb.prepare(config, data)
    begin = time.monotonic()
    workers, settings = Workers(strategy), plain_settings(config, kind)
    with workers.together(config.run):  # before the model is built, which is an exchange of its weights
        workers.agree(_common(settings | {"precision": chosen_precision(config)}, data, kind))
    with strategy.scope():
        model = verb.build(config, data)
        optimizer = verb.optimizer(config, data)
        training.decay_kernels_only(optimizer, model)
        if config.from_ is not None:
            optimizer = from_run.fine_tuning(config, model, optimizer)
    normalised = any(isinstance(layer, keras.layers.BatchNormalization) for layer in model._flatten_layers())
    if normalised and min(config.batch_size, len(data.examples["train"])) == 1:
        raise InputError(
            f"{config.model} has batch normalisation, which learns nothing of use from batches of one {data.unit} "
            f"(--batch-size {config.batch_size}): give 8 or more"
        )
    if workers.chief:
        if config.from_ is not None:
            print(from_run.taken_over(config, data, model))
        print(verb.describe(config, data, model), flush=True)
    settings["precision"] = model.dtype_policy.name
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
    seconds = time.monotonic() - begin
    with workers.together(config.run):  # none ends before the chief, which would wait for it if started again
        return workers.only_chief(lambda: _finished(config, settings, data, model, history, seconds))


def _finished(
    config: Any, settings: dict[str, Any], data: Any, model: Any, history: Any, seconds: float
) -> dict[str, Any]:
    """What the curves say, printed, and the scores."""
    from tfconv import evaluation, training

    held_out = data.examples.get("validation")
    reading = evaluation.read_curves(
        history.history,
        validation_examples=None if held_out is None else len(held_out),
        classes=len(data.class_names),
        multi_label=data.multi_label,
    )
    for sentence in reading:
        print("\n".join(textwrap.wrap(sentence, 100, subsequent_indent="  ")))
    return score(config, settings, data, training.in_float32(model), history, seconds, reading)


def _common(settings: dict[str, Any], data: Any, kind: str) -> dict[str, Any]:
    """What all workers of a training must have in common, by the names that a message may say."""
    found: dict[str, Any] = {name: value for name, value in settings.items() if name not in _OF_ONE_WORKER}
    found |= {"classes": data.class_names}
    found |= {f"{split} {data.unit}s": len(examples) for split, examples in data.examples.items()}
    return found | ({"vocabulary": data.preprocess.vocabulary.tokens} if kind == "text" else {})


def _strategy(config: Any) -> Any:
    from tfconv import training

    return training.strategy.choose(config.strategy)


def _is_fraction(test: Any) -> bool:
    with contextlib.suppress(ValueError, TypeError):
        float(test)
        return True
    return test is None
