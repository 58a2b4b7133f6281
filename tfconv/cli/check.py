"""`tfconv check`: cheap checks of data and model before a long training, one batch learned by heart among them."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro

from tfconv.data.image.headers import ENDINGS
from tfconv.errors import InputError
from tfconv.kinds.images import kind as train_images
from tfconv.kinds.options import DialectOptions, by_size
from tfconv.kinds.source import check_source, dialect_of, fits, hints_of, unchanged_source
from tfconv.kinds.text import kind as train_text
from tfconv.training.runs.folder import RunFolder, read_config

_OF_TEXTS, _OF_IMAGES = ("text",), ("image", "size", "channels")


@dataclasses.dataclass(frozen=True)
class Check(DialectOptions):
    """Settings of `tfconv check`; those of the data and the model are as in `tfconv train`."""

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|DATA")]
    """a run folder, checked with its own settings; or texts or pictures, named as for `tfconv train`"""
    kind: Literal["text", "images"] | None = None  # of DATA; without it: guessed
    text: str | None = None  # column of the texts; without it: text
    image: str | None = None  # column of the pictures' paths; without it: image
    label: str | None = None  # column of the labels; without it: label
    split: str | None = None  # column that says train, validation or test
    test: str | None = None  # file to test on, or the fraction to hold out for testing
    multi_label: bool = False  # an example may have any number of labels
    separator: str | None = None  # between the labels of one example; without it: |
    skip: bool = False  # leave bad rows and broken pictures out
    size: int | None = None  # height and width that pictures are resized to
    channels: Literal[1, 3] | None = None  # of what the model sees; without it: 1 where all files are grey
    model: str | None = None  # architecture; without it: what `tfconv train` takes
    seed: int | None = None  # of splits, weights and the batch
    examples: int = 32  # in the batch
    steps: int = 300  # at most, at each of two learning rates


def check(config: Annotated[Check, tyro.conf.arg(name="")]) -> None:
    """Check a run or a data set: can the model learn one batch by heart? Exit status 1 when it cannot."""
    for name in ("examples", "steps"):
        if not 2 <= getattr(config, name) < 2**31:
            raise InputError(f"--{name} must be from 2 to 2147483647, got {getattr(config, name)}")
    kind, settings = _settings(config)
    verb: Any = train_images if kind == "images" else train_text
    from tfconv import runtime

    if kind == "images":
        runtime.configure("images")  # pictures are decoded by TensorFlow
    settings = verb.settled(settings)
    data = verb.read(settings)
    if "train" not in data.examples:
        raise InputError(f"{data.name} has no training split: it has {', '.join(data.examples)}")
    runtime.configure(kind)
    runtime.set_seed(settings.seed)
    from tfconv import training

    data = verb.prepare(by_size(settings, data), data)
    model = verb.build(settings, data)
    begin = "freshly initialised" if settings.from_ is None else f"with the weights of {settings.from_}"
    model_line = f"{settings.model}, {model.count_params():,} parameters, {begin}"
    print(f"{data.name}: {len(data.examples['train']):,} training {data.unit}s\n{model_line}")
    inputs, labels = _batch(data, config.examples, settings.seed)
    for finding in (*_of_batch(inputs, labels, data), *_of_repeats(data)):
        _say(*finding)
    print("dropout, augmentation, label smoothing and weight decay are off during the check")
    result = training.overfit_one_batch(model, (inputs, labels), steps=config.steps)
    for finding in result.findings():
        _say(*finding)
    if not result.passed:
        sys.exit(1)


def _say(fine: bool, line: str) -> None:
    print(f"{'ok  ' if fine else 'look'}  {line}", flush=True)


def _settings(config: Check) -> tuple[Literal["text", "images"], Any]:
    """The settings as `tfconv train` would have them."""
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
    if config.test == "":
        raise InputError("--test must not be empty: give a file, or the fraction to hold out for testing")
    if config.seed is not None and not 0 <= config.seed < 2**32:
        raise InputError(f"--seed must be from 0 to 4294967295, got {config.seed}")
    kind = config.kind or _guessed_kind(config)
    for name in _OF_TEXTS if kind == "images" else _OF_IMAGES:
        if name in given:
            raise InputError(f"--{name} does not go with {'pictures' if kind == 'images' else 'texts'}")
    known = get_args(train_images.Model if kind == "images" else train_text.Model)
    if config.model is not None and config.model not in known:
        raise InputError(f"--model {config.model} is none for {kind}: give one of {', '.join(known)}")
    if config.size is not None and not 8 <= config.size < 2**31:
        raise InputError(f"--size must be from 8 to 2147483647, got {config.size}")
    check_source(config.source, kind)
    return kind, _train(kind, given | {"data": config.source})


def _settings_of_run(directory: Path) -> tuple[Literal["text", "images"], Any]:
    kept = read_config(directory / "config.json") if (directory / "config.json").exists() else {}
    if kept.get("kind") not in ("text", "images") or "model" not in kept:
        raise InputError(f"{directory} was not written by `tfconv train`: give the DATA that it was trained on")
    source = unchanged_source(RunFolder(directory, kept, kept["kind"]))
    settings = _train(kept["kind"], kept | {"data": source})
    verb: Any = train_images if kept["kind"] == "images" else train_text
    try:
        for name, hint in hints_of(type(settings)).items():
            if not fits(getattr(settings, name), hint):
                raise InputError(f"{name} cannot be {getattr(settings, name)!r}")
        verb.check(settings)
    except InputError as error:
        raise InputError(f"{directory / 'config.json'} was changed by hand: {error}") from None
    return kept["kind"], settings


def _train(kind: str, values: dict[str, Any]) -> Any:
    settings: Any = train_images.TrainImages if kind == "images" else train_text.TrainText
    chosen: dict[str, Any] = {"run": Path("check")}
    hints = hints_of(settings)
    for name in values.keys() & hints.keys() - chosen.keys():
        value = values[name]
        if isinstance(value, str) and Path in get_args(hints[name]):  # config.json has strings for paths,
            value = Path(value)
        chosen[name] = tuple(value) if isinstance(value, list) else value  # and lists for tuples
    return settings(**chosen)


def _guessed_kind(config: Check) -> Literal["text", "images"]:
    """What DATA holds: by its name, the files in a folder, the columns of a table."""
    from tfconv import data

    path = Path(config.source)
    if config.image is not None or config.text is not None:
        return "images" if config.text is None else "text"
    if config.source == "synthetic" or config.source.startswith("tfds:"):
        raise InputError(f"{config.source} may be texts or pictures: say --kind text or --kind images")
    if config.source == "cifar10" or path.name.startswith("cifar-10-"):
        return "images"
    if path.is_dir():
        return "images" if any(file.suffix.lower() in ENDINGS for file in path.rglob("*")) else "text"
    for column, kind in (("image", "images"), (None, "text")):
        try:
            next(data.read_rows(path, data.Columns(text=column, label=config.label, dialect=dialect_of(config))))
        except (InputError, StopIteration):
            continue
        return kind  # type: ignore[return-value]
    return "text"  # whose reader says what is wrong


def _batch(data: Any, count: int, seed: int) -> tuple[Any, Any]:
    """Inputs and labels of some training examples, of as many classes as there is room for, equally many of each."""
    import numpy as np

    from tfconv.data import TextData

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
    if isinstance(data, TextData):  # also streamed ones, which would encode all their texts first
        few: Any = TextData(data.name, data.class_names, chosen, preparation=data.preparation, task=data.task)
    else:
        few = dataclasses.replace(data, examples=chosen)
    return next(iter(few.batches("train")))


def _of_batch(inputs: Any, labels: Any, data: Any) -> list[tuple[bool, str]]:
    import numpy as np

    inputs, labels = np.asarray(inputs), np.asarray(labels)
    there = len(np.unique(labels)) if labels.ndim == 1 else int(labels.any(axis=0).sum())
    classes = len(data.class_names)
    enough = there == classes or (there > 1 and there == len(labels))
    found = [(enough, f"{there} of {classes} {'labels' if not data.task.exclusive else 'classes'} are in the batch")]
    if not np.isfinite(inputs).all():
        found.append((False, "the inputs hold numbers that are not finite"))
    elif not np.ptp(inputs, axis=0).any():
        found.append((False, f"all {data.unit}s of the batch are the same to the model"))
    else:
        found.append((True, "the inputs are finite, and not all the same"))
    return found


def _of_repeats(data: Any) -> list[tuple[bool, str]]:
    """What stands twice: with other labels in train, or in train and a split that is scored on."""
    from tfconv.data import conflicting_labels, example_keys, shared_examples

    unit, train = data.unit, data.examples["train"]
    keys = example_keys(train)
    pairs = conflicting_labels(keys, train.labels)
    first = f", the first: numbers {pairs[0][0]} and {pairs[0][1]}{_quoted(train, pairs[0][0])}" if pairs else ""
    found = [(not pairs, f"{len(pairs):,} training {unit}s stand again with another label{first}")]
    for split in ("validation", "test"):
        if split in data.examples:
            held = data.examples[split]
            shared = shared_examples(keys, example_keys(held))
            first = f", the first: number {shared[0][1]}{_quoted(held, shared[0][1])}" if shared else ""
            line = f"{len(shared):,} of {len(held):,} {split} {unit}s are training {unit}s too{first}"
            found.append((not shared, line))
    return found


def _quoted(examples: Any, number: int) -> str:
    """The beginning of a text; nothing of a picture."""
    if not hasattr(examples, "texts"):
        return ""
    words = " ".join(examples.take([number]).texts[0].split())
    return f' "{words}"' if len(words) <= 30 else f' "{words[:30]}..."'
