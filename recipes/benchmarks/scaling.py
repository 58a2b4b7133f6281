"""Training by several workers and replicas against one core, and by one device against an earlier commit.

    python recipes/benchmarks/scaling.py

Writes scaling.md beside itself. The network is that of six convolutions with batch normalisation of
`image_training.py`, on CIFAR-10 where it is on this machine, else on synthetic shapes. The batch is that of all workers
together. Each worker is pinned to a core of its own; the systems take turns.

The second table asks what one device pays for it: the same trainings by the package of this checkout, and by that of an
earlier commit, taken out of git.
"""

import io
import os
import shlex
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import image_training
import numpy as np
import text_training
import tyro
from side_by_side import machine, take_turns

from tfconv.files import atomic_write

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
ONE = "one worker of one core"
SYSTEMS = {
    ONE: "threads:1",
    "two workers of one core each": "workers:2",
    "the same, batch norm of each worker apart": "apart:2",
    "one process, two replicas on two cores": "cpu:2",
    "one process, two threads on two cores": "threads:2",
}
FOUR = {"four workers of one core each": "workers:4"}  # where there are as many cores

Seconds = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Config:
    """The benchmark's settings."""

    data: str = "auto"  # "cifar10", "shapes" (synthetic), or "auto": cifar10 where it is on this machine
    batch_sizes: tuple[int, ...] = (256, 128, 512)  # images per step, of all workers together
    images: int = 4096  # images of one turn
    turns: int = 5  # turns of each system; their median counts
    precision: Literal["float32", "bfloat16"] = "float32"  # bfloat16: Keras' mixed policy
    commit: str = "97b8e14"  # to compare one device with; "": no second table
    commit_turns: int = 15  # turns of each side of that comparison
    steps: int = 12  # steps of one of its turns
    out: Path = FOLDER / "scaling.md"  # file to write
    seed: int = 0  # which images and texts


def scaling(config: Config) -> list[str]:
    """Every system at every batch size, turn by turn, as lines of a table."""
    systems = SYSTEMS | (FOUR if len(os.sched_getaffinity(0)) >= 4 else {})
    lines = [
        "| images a step | system | images/s | lowest to highest | times one worker |",
        "|---:|---|---:|---:|---:|",
    ]
    for batch_size in config.batch_sizes:
        steps = max(config.images // batch_size, 1)
        source, images, labels = image_training.make_data(
            image_training.Config(data=config.data, batch_size=batch_size, steps=steps, seed=config.seed)
        )
        with tempfile.TemporaryDirectory() as folder:
            batches = Path(folder) / "batches.npz"
            np.savez(batches, images=images, labels=labels)
            worker = [sys.executable, str(FOLDER / "scaling_systems.py")]
            commands = {name: [*worker, system, config.precision, str(batches)] for name, system in systems.items()}
            seconds = take_turns(commands, config.turns)
        lines += [f"| {batch_size} | {row}" for row in rows(steps * batch_size, seconds, ONE, 0)]
    precision = f"{config.precision}, Adam; medians of {config.turns} turns of {config.images} images"
    return [f"{source}, {precision}.", "", *lines]


def rows(amount: int, seconds: Seconds, reference: str, digits: int) -> list[str]:
    """The cells of each system from its name on: median rate, range, and median over the reference's."""
    rates = {name: [amount / turn for turn in turns] for name, turns in seconds.items()}
    base = statistics.median(rates[reference])
    return [
        f"{name} | {statistics.median(some):,.{digits}f} | {min(some):,.{digits}f} to {max(some):,.{digits}f} | "
        f"{statistics.median(some) / base:.2f} |"
        for name, some in rates.items()
    ]


def against_commit(config: Config) -> list[str]:
    """One device, by this checkout's package and by that of the commit."""
    lines = ["| network | tfconv | a second | lowest to highest | times the commit |", "|---|---|---:|---:|---:|"]
    then, now = f"of {config.commit}", "of this checkout"
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.check_output(["git", "-C", str(ROOT), "archive", config.commit, "tfconv"])
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        paths = {then: folder, now: str(ROOT)}
        environment = {name: {"PYTHONPATH": path} for name, path in paths.items()}
        for name, path in paths.items():
            line = [sys.executable, "-c", "import tfconv; print(tfconv.__file__)"]
            found = subprocess.check_output(line, env={**os.environ, **environment[name]}, text=True, cwd=FOLDER)
            if not found.startswith(path):
                sys.exit(f"the package {name} would be taken from {found.strip()}")
        for network, amount, command in _one_device(config, Path(folder)):
            seconds = take_turns({name: command for name in paths}, config.commit_turns, environment)
            lines += [f"| {network} | {row}" for row in rows(amount, seconds, then, 1)]
    return lines


def _one_device(config: Config, folder: Path) -> list[tuple[str, int, list[str]]]:
    """What is measured there: name, amount of one turn, command."""
    settings = image_training.Config(data=config.data, steps=config.steps, seed=config.seed)
    _, images, labels = image_training.make_data(settings)
    np.savez(folder / "images.npz", images=images, labels=labels)
    texts = text_training.Config(data="auto" if config.data == "auto" else "zipf", seed=config.seed)
    _, ids, classes = text_training.make_data(texts)
    shape = (config.steps, texts.batch_size)
    count = config.steps * texts.batch_size
    np.savez(
        folder / "texts.npz",
        ids=ids[:count].reshape(*shape, -1),
        labels=classes[:count].reshape(shape).astype(np.float32),
    )
    python, (image, text) = sys.executable, [str(worker) for worker in (image_training.WORKER, text_training.WORKER)]
    return [
        (
            f"six convolutions, images, {settings.batch_size} a step",
            labels.size,
            [python, image, "tfconv", "six", config.precision, str(folder / "images.npz")],
        ),
        (
            f"text CNN, steps, {texts.batch_size} texts each",
            config.steps,
            [python, text, "tfconv", "cnn", str(folder / "texts.npz"), "2"],
        ),
    ]


def main(config: Config) -> None:
    """Measure, and write the page."""
    about = [
        f"{machine()}; TensorFlow {version('tensorflow')}.",
        f"Written by `{shlex.join(['recipes/benchmarks/scaling.py', *sys.argv[1:]])}`, not by hand.",
    ]
    page = ["# Several workers and replicas", "", *about, "", *scaling(config)]
    if config.commit:
        page += ["", "## One device, against an earlier commit", "", f"Medians of {config.commit_turns} turns.", ""]
        page += against_commit(config)
    text = "\n".join(page) + "\n"
    with atomic_write(config.out, "w") as file:
        file.write(text)
    print(text)


if __name__ == "__main__":
    main(tyro.cli(Config))
