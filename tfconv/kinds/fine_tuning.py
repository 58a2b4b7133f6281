"""`--from RUN`: a training that goes on from the network of an earlier run, with data and classes of its own."""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from tfconv.data.preprocess import read_json, unreadable
from tfconv.errors import InputError
from tfconv.kinds.source import fits, options_of
from tfconv.training.runs.folder import look

if TYPE_CHECKING:
    import keras

    from tfconv.training import Run

__all__: list[str] = []

# Options that describe the network or its inputs: with --from they are the earlier run's.
KEPT = {
    "text": ("model", "vocabulary_size", "length", "level", "words_only", "vectors", "freeze_vectors"),
    "images": ("model", "size", "fit", "channels"),
}


def settled(config: Any, kind: Literal["text", "images"]) -> Any:
    """The settings with the earlier run's network, picture size and vocabulary in them; no TensorFlow yet.

    Args:
        config: `TrainText` or `TrainImages`, with `from_`, `freeze_to` and `discriminative`.
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
    for name in KEPT[kind]:
        if getattr(config, name) != defaults[name]:
            raise InputError(f"--{name.replace('_', '-')} is that of the run of --from: leave it out")
    try:
        before = look(source)
    except InputError as error:
        raise InputError(f"--from {error}") from None
    if before.kind != kind:
        raise InputError(f"--from {source} is a run of `tfconv train {before.kind}`, this is `tfconv train {kind}`")
    names = [name for name in ("model", "vocabulary_size", "level", "words_only") if name in defaults]
    taken = options_of(before, names, type(config))
    (read,) = read_json(source / "preprocess", ("image.json" if kind == "images" else "text.json",), kind)
    if not isinstance(read, dict) or (
        kind == "images" and not (fits(read.get("size"), list[int]) and len(read["size"]) == 2)
    ):
        raise unreadable(source / "preprocess", kind.removesuffix("s"), "settings are missing, or of another type")
    if kind == "text":
        taken["length"] = read.get("length")
    elif not config.data.startswith("cifar10"):  # whose size is fixed, and checked against the run's
        height, width = read["size"]
        taken |= {"size": height if height == width else (height, width)}
        if config.data != "synthetic":
            taken |= {"fit": read.get("fit", "crop"), "channels": read.get("channels", 3)}
    return dataclasses.replace(config, **{name: value for name, value in taken.items() if name in KEPT[kind]})


def starting_model(run: "Run", data: Any, **changes: Any) -> "keras.Model":
    """The run's network for the classes of `data`: the same head where the classes are the same, else a new one.

    Args:
        run: the earlier run.
        data: `TextData` or `ImageData` that was prepared with `preprocess=run.preprocess`.
        **changes: constructor arguments such as `dtype`; left out for a network that has none of them.
    """
    from tfconv.training.transfer.head import copy_weights, with_new_head

    known = run.model.get_config()
    changes = {name: value for name, value in changes.items() if name in known and "classes" in known}
    model = with_new_head(run.model, data.outputs, **changes)
    if (data.class_names, data.task) == (run.class_names, run.preprocess.task):
        copy_weights(run.model, model)
    return model


def taken_over(config: Any, data: Any, model: "keras.Model") -> str:
    """Say what came from the run of `--from`, and what is this training's own.

    Args:
        config: settings, `settled`.
        data: prepared, with its `preprocess`.
        model: from `starting_model`.
    """
    from tfconv.data.preprocess import load_preprocess

    before = load_preprocess(config.from_ / "preprocess")
    same = (data.class_names, data.task) == (before.class_names, before.task)
    inputs = "size, channels and their statistics" if data.unit == "image" else "tokenizer and vocabulary"
    head = "the output layer too: the classes are the same" if same else "not the output layer: other classes"
    frozen = sum(not layer.trainable for layer in model.layers if layer.weights)
    lines = [
        f"from {config.from_}: {config.model} with its weights ({head}), {inputs}",
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
