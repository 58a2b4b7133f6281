"""Write the figures of benchmarks into the README beside this file, on the machine that measured them.

    python recipes/benchmarks/readme.py text_training.json

A table stands between `<!-- text_training -->` and `<!-- end -->`, and comes from nowhere else.
"""

import json
import re
import sys
from pathlib import Path

from side_by_side import machine

README = Path(__file__).with_name("README.md")


def table(rows: list[dict[str, str | float]]) -> str:
    """Return the rows in Markdown."""
    lines = ["| row | system | median | unit | ratio |", "|---|---|---:|---|---:|"]
    lines += [f"| {r['row']} | {r['system']} | {r['median']:.4g} | {r['unit']} | {r['ratio']:.2f} |" for r in rows]
    return "\n".join([f"Measured on {machine()}.", "", *lines])


def main(files: list[Path]) -> None:
    """Replace the table of each file."""
    text = README.read_text()
    for file in files:
        block = rf"(<!-- {re.escape(file.stem)} -->\n).*?(<!-- end -->)"
        found = re.search(block, text, re.DOTALL)
        if not found:
            raise SystemExit(f"{README} has no line <!-- {file.stem} -->")
        text = text[: found.end(1)] + table(json.loads(file.read_text())) + "\n" + text[found.start(2) :]
    README.write_text(text)


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
