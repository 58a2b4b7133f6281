"""Memory and time of data larger than memory: 100,000 reviews against 1,000,000, streamed from JSON Lines files.

The reviews are synthetic, and one word of each occurs nowhere else, so that the vocabulary grows with the reviews.
Each measurement is a process of its own that reads the rows, counts the words, writes the shards and trains a small
text CNN for the same number of steps; the sizes take turns. Its peak memory is the operating system's (`ru_maxrss`).

    python recipes/benchmarks/streaming.py --json streaming.json
"""

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from side_by_side import Row, report

from tfconv import data, runtime

FILE_REVIEWS = 10_000
PHASES = ("rows: read and checked", "words: counted", "shards: written", "training")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Config:
    """The benchmark's settings."""

    small: int = 100_000  # reviews
    large: int = 1_000_000  # reviews
    steps: int = 1200  # of training, 64 reviews each
    turns: int = 2  # processes of the large size, each between two of the small; medians count
    json: Path | None = None  # file to write the rows to
    measure: str | None = None  # (used by the script itself) pattern of files to measure


def write_reviews(folder: Path, reviews: int) -> int:
    """Write files of 10,000 reviews each; return their bytes."""
    size = 0
    for number in range(reviews // FILE_REVIEWS):
        part = data.synthetic_reviews(FILE_REVIEWS, seed=number, validation=0, test=0)
        rng = random.Random(number)
        path = folder / f"reviews-{number:04d}.jsonl"
        with open(path, "w") as file:
            for text, label in zip(part.examples["train"].texts, part.examples["train"].labels, strict=True):
                words = text.split()
                words[rng.randrange(len(words))] = "".join(rng.choices(LETTERS, k=8))
                file.write(json.dumps({"text": " ".join(words), "label": part.class_names[label]}) + "\n")
        size += path.stat().st_size
    return size


def measure(pattern: str, steps: int) -> dict[str, Any]:
    """Do all passes in this process; for each: seconds, processor seconds, examples, the peak in MB up to its end."""
    runtime.configure("text")
    from tfconv import models  # with Keras, whose start must come after

    figures: dict[str, Any] = {}

    def timed(phase: str, work: Callable[[], Any], examples: int | None = None) -> Any:
        wall, processor = time.perf_counter(), time.process_time()
        result = work()
        seconds = time.perf_counter() - wall, time.process_time() - processor
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures[phase] = (*seconds, examples or sum(map(len, result.examples.values())), peak)
        return result

    found = timed(PHASES[0], lambda: data.text_stream(pattern))
    found = found.prepare(vocabulary_size=20_000, length=100, bucket=True)
    timed(PHASES[1], lambda: found.preprocess, len(found.examples["train"]))
    batches = timed(PHASES[2], lambda: found.train, sum(map(len, found.examples.values())))
    model = models.TextCNN(len(found.preprocess.vocabulary), classes=found.outputs, embedding_dim=32, filters=32)
    model.compile("adam", "binary_crossentropy")
    model.train_on_batch(*next(iter(batches)))  # traces the graph
    endless = batches.repeat().prefetch(2)
    timed(PHASES[3], lambda: model.fit(endless, steps_per_epoch=steps, verbose=0, shuffle=False), steps * 64)
    return figures


def compare(config: Config, folder: Path) -> list[Row]:
    """Measure both sizes in turns; `ratio` is the large one's divided by the small one's."""
    patterns = {
        config.small: str(folder / f"reviews-{'[0-9]' * 4}.jsonl"),
        config.large: str(folder / "**" / "*.jsonl"),
    }
    found: dict[int, list[dict[str, Any]]] = {config.small: [], config.large: []}
    for turn in range(config.turns):
        for size in (config.small, config.large, config.small):
            with tempfile.TemporaryDirectory(dir=folder) as kept:
                command = [sys.executable, __file__, "--measure", patterns[size], "--steps", str(config.steps)]
                done = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, env={**os.environ, "TFCONV_DATA_DIR": kept}
                )
            found[size].append(json.loads(done.stdout.splitlines()[-1]))
            seconds = sum(seen[0] for seen in found[size][-1].values())
            print(f"turn {turn + 1} of {config.turns}  {seconds:8.1f} s  {size:,} reviews", flush=True)
    rows: list[Row] = []
    for phase in PHASES:
        for name, unit, figure in (
            ("time", "µs/review", lambda seen: seen[0] / seen[2] * 1e6),
            ("processor time", "µs/review", lambda seen: seen[1] / seen[2] * 1e6),
            ("peak memory up to here", "MB", lambda seen: seen[3]),
        ):
            values = {size: statistics.median(figure(seen[phase]) for seen in turns) for size, turns in found.items()}
            for size, value in values.items():
                rows.append(
                    {
                        "row": f"{phase}, {name}",
                        "system": f"{size:,} reviews",
                        "median": round(value, 3),
                        "unit": unit,
                        "ratio": round(value / values[config.small], 3),
                    }
                )
    return rows


def main(config: Config) -> dict[str, list[Row]]:
    """Write the reviews, measure, print the table, write the rows."""
    if config.measure is not None:
        print(json.dumps(measure(config.measure, config.steps)))
        return {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "more").mkdir()
        size = write_reviews(folder, config.large)
        for path in sorted(folder.glob("*.jsonl"))[config.small // FILE_REVIEWS :]:
            path.rename(folder / "more" / path.name)
        rows = compare(config, folder)
    notes = [
        f"{config.large:,} reviews are {size / 1e6:,.0f} MB in {config.large // FILE_REVIEWS} files; medians of "
        f"{config.turns} processes, and {2 * config.turns} for {config.small:,}, in turns; ratio: to {config.small:,}"
    ]
    report("Streaming", rows, config.json, notes)
    return {"rows": rows}


if __name__ == "__main__":
    main(tyro.cli(Config))
