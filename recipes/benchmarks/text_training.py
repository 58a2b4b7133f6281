"""Training steps per second: tfconv against stock Keras layers and PyTorch, in one run.

Every system trains the same network on the same batches of real reviews, on two threads at most, in its own
process; they take turns, so that a machine's drift cancels, and the median of the turns counts. "400 words" takes
reviews that have as many: there is no padding, and the networks are equal. In the other rows tfconv's networks leave
padding out of account, and the others compute on it.

    python recipes/benchmarks/text_training.py --json text_training.json
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

WORKER = Path(__file__).with_name("text_training_systems.py")
VOCABULARY, LENGTH = 30_000, 400
ONEDNN_ON, ONEDNN_OFF = {"TF_ENABLE_ONEDNN_OPTS": "1"}, {"TF_ENABLE_ONEDNN_OPTS": "0"}
# Name in the table: name for the worker, threads, environment. tfconv's oneDNN switch is runtime.configure's own, the
# others have what was faster for them, which for operations as short as a linear model's can be one thread.
SYSTEMS: dict[str, dict[str, tuple[str, int, dict[str, str]]]] = {
    "cnn": {
        "tfconv fit": ("tfconv", 2, {}),
        "Keras fit": ("keras", 2, ONEDNN_ON),
        "Keras fit, oneDNN off": ("keras", 2, ONEDNN_OFF),
        "PyTorch": ("torch", 2, {}),
    },
    "linear": {
        "tfconv fit": ("tfconv", 1, {}),
        "Keras fit, CategoryEncoding": ("keras-counts", 1, ONEDNN_ON),
        "Keras fit, Embedding of 1": ("keras", 2, ONEDNN_ON),
        "the same, 32 steps a call": ("keras-32", 2, ONEDNN_ON),
        "PyTorch, EmbeddingBag of 1": ("torch", 2, {}),
    },
}


@dataclass(frozen=True)
class Config:
    """The benchmark's settings."""

    data: str = "auto"  # "imdb", "zipf" (synthetic token ids), or "auto": imdb where it is on this machine
    network: Literal["both", "cnn", "linear"] = "both"  # what to train
    batch_size: int = 64  # reviews per step
    cnn_steps: int = 10  # steps of a text CNN in one turn
    linear_steps: int = 780  # steps of a linear bag of words in one turn
    turns: int = 5  # turns of each system; their median counts
    json: Path | None = None  # file to write the rows to
    seed: int = 0  # order of the reviews


def make_data(config: Config) -> tuple[str, np.ndarray, np.ndarray]:
    """Return where the texts are from, ids (n, 400) padded with 0 at the end, and labels (n,)."""
    rng = np.random.default_rng(config.seed)
    folder = Path(os.environ.get("TFCONV_DATA_DIR", Path.home() / ".cache" / "tfconv"))
    on_disk = (folder / "aclImdb").is_dir() or (folder / "aclImdb_v1.tar.gz").is_file()
    if config.data == "imdb" or (config.data == "auto" and on_disk):
        runtime.configure("text")
        settings = {"vocabulary_size": VOCABULARY, "length": LENGTH, "pad_to_length": True, "batch_size": 1000}
        batches = list(data.imdb(validation=0.0).prepare(**settings).batches("train"))
        order = rng.permutation(sum(len(labels) for _, labels in batches))
        ids, labels = (np.concatenate(arrays)[order] for arrays in zip(*batches, strict=True))
        return "IMDB training reviews", ids, labels
    n = 200 * config.batch_size
    ids = np.minimum(rng.zipf(1.2, size=(n, LENGTH)) + 2, VOCABULARY - 1).astype(np.int32)
    ids[np.arange(LENGTH) >= rng.integers(100, 2 * LENGTH, size=(n, 1))] = 0
    return "synthetic texts, words drawn by Zipf's law (the IMDB reviews are not here)", ids, rng.integers(0, 2, n)


def compare(config: Config, row: str, network: str, steps: int, ids: np.ndarray, labels: np.ndarray) -> list[Row]:
    """Train `network` in every system on the same `steps` batches, turn by turn."""
    texts = np.arange(steps * config.batch_size) % len(ids)
    commands, environment = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        batches = Path(folder) / "batches.npz"
        shape = (steps, config.batch_size)
        np.savez(
            batches, ids=ids[texts].reshape(*shape, LENGTH), labels=labels[texts].reshape(shape).astype(np.float32)
        )
        for system, (name, threads, variables) in SYSTEMS[network].items():
            if name == "torch" and importlib.util.find_spec("torch") is None:
                continue
            commands[system] = [sys.executable, str(WORKER), name, network, str(batches), str(threads)]
            environment[system] = variables
        seconds = take_turns(commands, config.turns, environment)
    return rows_of(row, "steps/s", steps, seconds, reference="tfconv fit")


def main(config: Config) -> dict[str, list[Row]]:
    """Run all comparisons, print the table, write the rows."""
    source, ids, labels = make_data(config)
    whole = ids[:, -1] != 0
    rows: list[Row] = []
    if config.network != "linear":
        rows += compare(config, "text CNN, 400 words", "cnn", config.cnn_steps, ids[whole], labels[whole])
        rows += compare(config, "text CNN, padded to 400", "cnn", config.cnn_steps, ids, labels)
    if config.network != "cnn":
        rows += compare(config, "linear bag of words", "linear", config.linear_steps, ids, labels)
    notes = [
        f"{source}; {VOCABULARY} words, {config.batch_size} texts a step, Adam; "
        f"medians of {config.turns} turns, at most 2 threads",
        "ratio: steps a second of tfconv fit, divided by the system's",
    ]
    if importlib.util.find_spec("torch") is None:
        notes.append("PyTorch is not installed: pip install 'tfconv[bench]'")
    report("Training", rows, config.json, notes)
    return {"rows": rows}


if __name__ == "__main__":
    main(tyro.cli(Config))
