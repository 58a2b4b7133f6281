"""Write a recipe's claim into its docstring, from the result.json files of its runs and from nothing else.

    python recipes/benchmarks/claims.py recipes/imdb_text_cnn.py runs/imdb_text_cnn-*/result.json [--note TEXT]

The note, on what the data were, follows the figures. Runs that differ in `model` are named one by one; runs that differ
in their seed become mean and standard deviation.
"""

import json
import re
import sys
import textwrap
from pathlib import Path
from statistics import mean, stdev

from tfconv.files import atomic_write


def claim(results: list[dict]) -> str:
    """One paragraph on runs of one recipe on one machine."""
    models = dict.fromkeys(result["config"].get("model") for result in results)
    parts = []
    for model in models:
        runs = [result for result in results if result["config"].get("model") == model]
        accuracy = [100 * result["scores"]["test"]["accuracy"] for result in runs]
        seconds = mean(result["seconds"] for result in runs)
        spread = f" ± {stdev(accuracy):.2f}" if len(runs) > 1 else ""
        epochs = sorted({result["epochs"] for result in runs})
        length = "-".join(str(number) for number in (epochs if len(epochs) == 1 else (epochs[0], epochs[-1])))
        name = f"{model}: " if model else ""
        parts.append(f"{name}{mean(accuracy):.2f}{spread} % after {length} epochs in {seconds:.0f} s")
    seeds = sorted({result["config"]["seed"] for result in results})
    of = f"mean ± sd of seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else f"seed {seeds[0]}"
    versions, machine = results[0]["versions"], {result["machine"] for result in results}
    if len(machine) > 1:
        sys.exit(f"the runs are of several machines: {', '.join(sorted(machine))}")
    return (
        f"Claim: test accuracy {'; '.join(parts)} of training ({of}; {machine.pop()}; "
        f"TensorFlow {versions['tensorflow']}, Keras {versions['keras']})."
    )


def main() -> None:
    recipe, files, note = Path(sys.argv[1]), sys.argv[2:], ""
    if "--note" in files:
        at = files.index("--note")
        files, note = files[:at], " ".join(files[at + 1 :])
    results = [json.loads(Path(file).read_text("utf-8")) for file in files]
    paragraph = textwrap.fill(f"{claim(results)} {note}".strip(), 120)
    pattern = re.compile(r"^Claim: .*?(?=\n\n)", re.S | re.M)
    text, count = pattern.subn(lambda _: paragraph, recipe.read_text("utf-8"), count=1)
    if not count:
        sys.exit(f"{recipe} has no paragraph that begins with 'Claim: '")
    with atomic_write(recipe, "w") as file:
        file.write(text)
    print(paragraph)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main()
