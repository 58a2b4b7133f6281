"""Training of three image networks: tfconv against Keras' own layers and `fit`, and against PyTorch, in one run.

    python recipes/benchmarks/image_training.py --json image_training.json

Every system trains the same network on the same batches (CIFAR-10 where it is on this machine, else synthetic shapes),
each in a process of its own, turn by turn. Images per second at equal precision are compared: float32, and, where the
processor has 16-bit arithmetic, bfloat16 (Keras' mixed policy, PyTorch's autocast).
"""

import importlib.util
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from side_by_side import Row, report, rows_of, take_turns

from tfconv import data, runtime

WORKER = Path(__file__).with_name("image_training_systems.py")
NETWORKS = {
    "alexnet": "mini-AlexNet",
    "six": "six convolutions, batch norm",
    "resnet20": "ResNet-20",
}
# A row's name: (system, environment). TensorFlow reads its oneDNN switch once, at import.
SYSTEMS = {
    "tfconv fit": ("tfconv", {}),
    "Keras fit": ("keras", {}),
    "Keras fit, oneDNN off": ("keras", {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    "PyTorch, channels last": ("torch", {}),
}


@dataclass(frozen=True)
class Config:
    """The benchmark's settings."""

    data: str = "auto"  # "cifar10", "shapes" (synthetic), or "auto": cifar10 where it is on this machine
    network: Literal["all", "alexnet", "six", "resnet20"] = "all"  # what to train
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: both where the processor has both
    batch_size: int = 128  # images per step
    steps: int = 12  # steps of one turn
    turns: int = 5  # turns of each system; their median counts
    json: Path | None = None  # file to write the rows to
    seed: int = 0  # which images


def make_data(config: Config) -> tuple[str, np.ndarray, np.ndarray]:
    """Return where the images are from, float32 batches (steps, batch, 32, 32, 3), and their labels."""
    count = config.steps * config.batch_size
    folder = Path(os.environ.get("TFCONV_DATA_DIR", Path.home() / ".cache" / "tfconv"))
    real = config.data == "cifar10" or (config.data == "auto" and any(folder.glob("cifar-10-batches-*")))
    runtime.configure("images")
    source = data.cifar10() if real else data.synthetic_shapes(max(2 * count, 100))
    train = source.examples["train"]
    rows = np.random.default_rng(config.seed).permutation(len(train))[:count]
    images = np.asarray(source.preprocess.normalize(train.images(rows)), np.float32)
    shape = (config.steps, config.batch_size)
    return f"{source.name} training images", images.reshape(*shape, 32, 32, 3), train.labels[rows].reshape(shape)


def compare(config: Config, network: str, precision: str, images: np.ndarray, labels: np.ndarray) -> list[Row]:
    """Train `network` in every system on the same batches, turn by turn."""
    commands, environment = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        batches = Path(folder) / "batches.npz"
        np.savez(batches, images=images, labels=labels)
        for system, (name, variables) in SYSTEMS.items():
            if name == "torch" and importlib.util.find_spec("torch") is None:
                continue
            if variables and precision != "float32":
                continue
            commands[system] = [sys.executable, str(WORKER), name, network, precision, str(batches)]
            environment[system] = variables
        seconds = take_turns(commands, config.turns, environment)
    row = f"{NETWORKS[network]}, {precision}"
    return rows_of(row, "images/s", config.steps * config.batch_size, seconds, reference="tfconv fit")


def main(config: Config) -> dict[str, list[Row]]:
    """Run all comparisons, print the table, write the rows."""
    source, images, labels = make_data(config)
    precisions = ["float32"] + (["bfloat16"] if runtime.precision() == "mixed_bfloat16" else [])
    if config.precision != "auto":
        precisions = [config.precision]
    rows: list[Row] = []
    for network in NETWORKS if config.network == "all" else [config.network]:
        for precision in precisions:
            rows += compare(config, network, precision, images, labels)
    notes = [
        f"{source}; {config.batch_size} images a step, Adam; medians of {config.turns} turns, 2 threads at most",
        "ratio: images a second of tfconv fit, divided by the system's, at the same precision",
    ]
    if importlib.util.find_spec("torch") is None:
        notes.append("PyTorch is not installed: pip install 'tfconv[bench]'")
    report("Training", rows, config.json, notes)
    return {"rows": rows}


if __name__ == "__main__":
    main(tyro.cli(Config))
