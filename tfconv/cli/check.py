"""`tfconv check`: cheap checks of data and model before a long training, overfitting one batch among them."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro

from tfconv.errors import InputError
from tfconv.kinds import KINDS
from tfconv.kinds.kind import Kind
from tfconv.kinds.options import DialectOptions, by_size
from tfconv.kinds.source import fits, hints_of, unchanged_source
from tfconv.training.runs.folder import RunFolder, read_config


@dataclasses.dataclass(frozen=True)
class CheckOptions(DialectOptions):
    """Settings of `tfconv check`; those of the data and the model are as in `tfconv train`.

    Args:
        source: a run folder, checked with its own settings; or a data set, named as for `tfconv train`
        label: column of the labels; without it: label
        split: column that says train, validation or test
        test: file to test on, or the fraction to hold out for testing
        multi_label: an example may have any number of labels
        separator: between the labels of one example; without it: |
        skip: leave bad rows and broken images out
        model: architecture; without it: what `tfconv train` takes
        seed: of splits, weights and the batch
        examples: in the batch
        steps: at most, at each of two learning rates
    """  # not as comments: tyro finds those only where the class of the settings stands in a file

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|DATA")]
    label: str | None = None
    split: str | None = None
    test: str | None = None
    multi_label: bool = False
    separator: str | None = None
    skip: bool = False
    model: str | None = None
    seed: int | None = None
    examples: int = 32
    steps: int = 300


def check_verb() -> Callable[..., None]:
    """The verb `tfconv check`, which guesses the kind of DATA; each kind adds its `check_options`."""
    kinds: Any = Annotated[Literal[tuple(KINDS)] | None, tyro.conf.arg(help="of DATA; without it: guessed")]
    settings = dataclasses.make_dataclass(
        "Check",
        [("kind", kinds, None)],
        bases=(*(kind.check_options for kind in KINDS.values()), CheckOptions),
        frozen=True,
        kw_only=True,
    )

    def check_any(config: Any) -> None:
        """Check a run or a data set: can the model overfit one batch? Exit status 1 when it cannot."""
        check(config)

    check_any.__annotations__["config"] = Annotated[settings, tyro.conf.arg(name="")]
    return check_any


def check(config: Any) -> None:
    """Check a run or a data set, and whether its model can overfit one batch.

    Args:
        config: as `CheckOptions`, with `kind` and the options of each kind.
    """
    for name in ("examples", "steps"):
        if not 2 <= getattr(config, name) < 2**31:
            raise InputError(f"--{name} must be from 2 to 2147483647, got {getattr(config, name)}")
    kind, settings = _settings(config)
    from tfconv import runtime

    if kind.reads_with_tensorflow(settings.data):
        runtime.configure(kind.work)
    settings = kind.settled(settings)
    data = kind.read(settings)
    settings = kind.chosen(settings, data, steps=True)
    if "train" not in data.examples:
        raise InputError(f"{data.name} has no training split: it has {', '.join(data.examples)}")
    runtime.configure(kind.work)
    runtime.set_seed(settings.seed)
    from tfconv import training

    data = kind.prepare(by_size(settings, data), data)
    model = kind.build(settings, data)
    begin = "freshly initialised" if settings.from_ is None else f"with the weights of {settings.from_}"
    model_line = f"{settings.model}, {model.count_params():,} parameters, {begin}"
    print(f"{data.name}: {len(data.examples['train']):,} training {data.unit}s\n{model_line}")
    inputs, labels = _batch(data, config.examples, settings.seed)
    for finding in (*_of_batch(inputs, labels, data), *_of_duplicates(data)):
        _say(*finding)
    print("dropout, augmentation, label smoothing and weight decay are off during the check")
    result = training.overfit_one_batch(model, (inputs, labels), steps=config.steps)
    for finding in result.findings():
        _say(*finding)
    if not result.passed:
        sys.exit(1)


def _say(fine: bool, line: str) -> None:
    print(f"{'ok  ' if fine else 'look'}  {line}", flush=True)


def _settings(config: Any) -> tuple[Kind, Any]:
    """The kind, and the settings as `tfconv train` would have them."""
    own = {"source", "kind", "examples", "steps"}
    given = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.name not in own and getattr(config, field.name) != field.default
    }
    path = Path(config.source)
    if (path / "config.json").is_file() or (path / "model.keras").is_file():
        if given or config.kind:
            name = next(iter(given), "kind").replace("_", "-")
            raise InputError(f"--{name} does not go with a run: {config.source} is checked with its own settings")
        return _settings_of_run(path)
    kind = KINDS[config.kind] if config.kind else _guessed_kind(config)
    for other in KINDS.values():
        for field in dataclasses.fields(other.check_options):
            if field.name in given and field.name not in hints_of(kind.options):
                raise InputError(f"--{field.name} does not go with {kind.unit}s")
    hint = hints_of(kind.options)["model"]
    if config.model is not None and not fits(config.model, hint):
        raise InputError(f"--model {config.model} is none for {kind.name}: give one of {', '.join(get_args(hint))}")
    kind.check_source(config.source)
    settings = _train(kind, given | {"data": config.source})
    kind.check(settings)
    return kind, settings


def _settings_of_run(directory: Path) -> tuple[Kind, Any]:
    kept = read_config(directory / "config.json") if (directory / "config.json").exists() else {}
    if kept.get("kind") not in KINDS or "model" not in kept:
        raise InputError(f"{directory} was not written by `tfconv train`: give the DATA that it was trained on")
    kind = KINDS[kept["kind"]]
    source = unchanged_source(RunFolder(directory, kept, kind.name))
    settings = _train(kind, kept | {"data": source})
    try:
        for name, hint in hints_of(type(settings)).items():
            if not fits(getattr(settings, name), hint):
                raise InputError(f"{name} cannot be {getattr(settings, name)!r}")
        kind.check(settings)
    except InputError as error:
        raise InputError(f"{directory / 'config.json'} was changed by hand: {error}") from None
    return kind, settings


def _train(kind: Kind, values: dict[str, Any]) -> Any:
    chosen: dict[str, Any] = {"run": Path("check")}
    hints = hints_of(kind.options)
    for name in values.keys() & hints.keys() - chosen.keys():
        value = values[name]
        if isinstance(value, str) and Path in get_args(hints[name]):  # config.json has strings for paths,
            value = Path(value)
        chosen[name] = tuple(value) if isinstance(value, list) else value  # and lists for tuples
    return kind.options(**chosen)


def _guessed_kind(config: Any) -> Kind:
    """What DATA holds: by its name, the files in a folder, the columns of a table."""
    if config.source == "synthetic" or config.source.startswith("tfds:"):
        raise InputError(f"{config.source} may be of any kind: say --kind {' or --kind '.join(KINDS)}")
    found = [kind for kind in KINDS.values() if kind.recognizes(config)]
    return found[0] if found else next(iter(KINDS.values()))  # whose reader says what is wrong


def _batch(data: Any, count: int, seed: int) -> tuple[Any, Any]:
    """Inputs and labels of some training examples, of as many classes as there is room for, equally many of each."""
    import numpy as np

    train = data.examples["train"]
    order = np.random.default_rng(seed).permutation(len(train))
    if data.task.exclusive:
        labels = train.labels[order]
        turn = np.empty(len(order), np.int64)  # the how-manyth of its class
        for label in np.unique(labels):
            turn[labels == label] = np.arange((labels == label).sum())
        order = order[np.argsort(turn, kind="stable")]
    chosen = {"train": train.take(order[:count])}
    data = data.prepare(batch_size=count, preprocess=data.preprocess)
    return next(iter(data.only(chosen).batches("train")))


def _of_batch(inputs: Any, labels: Any, data: Any) -> list[tuple[bool, str]]:
    import numpy as np

    inputs, labels = np.asarray(inputs), np.asarray(labels)
    there = len(np.unique(labels)) if labels.ndim == 1 else int(labels.any(axis=0).sum())
    classes = len(data.class_names)
    enough = there == classes or (there > 1 and there == len(labels))
    found = [(enough, f"{there} of {classes} {data.task.noun} are in the batch")]
    if not np.isfinite(inputs).all():
        found.append((False, "the inputs hold numbers that are not finite"))
    elif not np.ptp(inputs, axis=0).any():
        found.append((False, f"all {data.unit}s of the batch are the same to the model"))
    else:
        found.append((True, "the inputs are finite, and not all the same"))
    return found


def _of_duplicates(data: Any) -> list[tuple[bool, str]]:
    """Duplicates: with other labels in train, or in train and a split that is scored on."""
    from tfconv.data import conflicting_labels, example_keys, shared_examples

    unit, train = data.unit, data.examples["train"]
    keys = example_keys(train)
    pairs = conflicting_labels(keys, train.labels)
    first = f", the first: numbers {pairs[0][0]} and {pairs[0][1]}{_excerpt(train, pairs[0][0])}" if pairs else ""
    found = [(not pairs, f"{len(pairs):,} training {unit}s are duplicates with another label{first}")]
    for split in ("validation", "test"):
        if split in data.examples:
            held = data.examples[split]
            shared = shared_examples(keys, example_keys(held))
            first = f", the first: number {shared[0][1]}{_excerpt(held, shared[0][1])}" if shared else ""
            line = f"{len(shared):,} of {len(held):,} {split} {unit}s are training {unit}s too{first}"
            found.append((not shared, line))
    return found


def _excerpt(examples: Any, number: int) -> str:
    """The beginning of an example, after a space, where it has one."""
    words = examples.excerpt(number)
    return f" {words}" if words else ""
