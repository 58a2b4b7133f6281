"""`--from RUN`: a training that goes on from the network of an earlier run, with data and classes of its own."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfconv.errors import InputError
from tfconv.kinds.kind import Kind
from tfconv.training.runs.folder import look

if TYPE_CHECKING:
    import keras

__all__: list[str] = []


def inherited(config: Any, kind: Kind) -> Any:
    """The settings with what the earlier run decides, such as its network; no TensorFlow yet.

    Args:
        config: settings of a training, with `from_`, `freeze_to` and `discriminative`.
        kind: what is trained.

    Raises:
        InputError: `--from` names no finished run, one of the other kind, or the run to be written; an option was
            given that the earlier run decides, or one that only goes with `--from`; a number is out of range.
    """
    source = config.from_
    if source is None:
        for name in ("freeze_to", "discriminative"):
            if getattr(config, name) is not None:
                raise InputError(f"--{name.replace('_', '-')} goes with --from RUN: leave it out for a new network")
        return config
    if config.discriminative is not None and not 0 < config.discriminative <= 1:
        raise InputError(f"--discriminative must be above 0 and at most 1, got {config.discriminative}")
    if source.resolve() == config.run.resolve():
        raise InputError(f"--from and --run are both {source}: give another folder for the new run")
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    for name in kind.inherited:
        if getattr(config, name) != defaults[name]:
            raise InputError(f"--{name.replace('_', '-')} is that of the run of --from: leave it out")
    try:
        before = look(source)
    except InputError as error:
        raise InputError(f"--from {error}") from None
    if before.kind != kind.name:
        raise InputError(
            f"--from {source} is a run of `tfconv train {before.kind}`, this is `tfconv train {kind.name}`"
        )
    return dataclasses.replace(config, **kind.inherited_settings(config, before))


def earlier_preprocess(config: Any) -> Any:
    """The preprocessing of the run of `--from`; `None` without it."""
    from tfconv.data.preprocess import load_preprocess

    return None if config.from_ is None else load_preprocess(config.from_ / "preprocess")


def starting_model(source: Path, data: Any, **changes: Any) -> "keras.Model":
    """The run's network for the classes of `data`: the same head where the classes are the same, else a new one.

    Args:
        source: folder of the earlier run.
        data: prepared with the preprocessing of that run.
        **changes: constructor arguments such as `dtype`; left out for a network that has none of them.
    """
    from tfconv.training.runs.run import load_run
    from tfconv.training.transfer.head import copy_weights, with_new_head

    run = load_run(source)
    known = run.model.get_config()
    changes = {name: value for name, value in changes.items() if name in known and "classes" in known}
    model = with_new_head(run.model, data.outputs, **changes)
    if (data.class_names, data.task) == (run.class_names, run.task):
        copy_weights(run.model, model)
    return model


def taken_over(config: Any, kind: Kind, data: Any, model: "keras.Model") -> str:
    """Say what came from the run of `--from`, and what is this training's own.

    Args:
        config: settings, from `inherited`.
        kind: what is trained.
        data: prepared, with its `preprocess`.
        model: from `starting_model`.
    """
    before = earlier_preprocess(config)
    same = (data.class_names, data.task) == (before.class_names, before.task)
    head = "the output layer too: the classes are the same" if same else "not the output layer: other classes"
    frozen = sum(not layer.trainable for layer in model.layers if layer.weights)
    lines = [
        f"from {config.from_}: {config.model} with its weights ({head}), {kind.inputs}",
        "not from it: learning rate, schedule and all other settings, the optimizer's state, the epochs done",
    ]
    lines += [f"{frozen} layers are frozen"] if frozen else []
    return "\n".join(lines)


def fine_tuning(
    config: Any, model: "keras.Model", optimizer: "keras.optimizers.Optimizer"
) -> "keras.optimizers.Optimizer":
    """Freeze what `--freeze-to` says, and give the layer groups the rates of `--discriminative`.

    Args:
        config: settings with `freeze_to` and `discriminative`.
        model: from `starting_model`.
        optimizer: not built yet.

    Returns:
        The optimizer to train with.

    Raises:
        InputError: the model has fewer layer groups, or a single one to give rates to.
    """
    from tfconv import training

    groups = training.layer_groups(model)
    try:
        if config.freeze_to is not None:
            training.freeze_to(model, config.freeze_to, groups)
    except ValueError as error:
        raise InputError(f"--freeze-to {config.freeze_to}: {error}") from None
    if config.discriminative is None:
        return optimizer
    if len(groups) == 1:
        raise InputError("--discriminative: the network has one layer group, and so one learning rate; leave it out")
    return training.discriminative(optimizer, groups, (config.discriminative, 1.0))
