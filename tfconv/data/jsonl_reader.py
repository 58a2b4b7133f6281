"""Records of a JSON Lines file, streamed."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tfconv.data.compressed import open_rows
from tfconv.data.records import DecodedLines, Record, missing_column, reject

__all__ = ["jsonl_records"]


def jsonl_records(
    path: Path,
    columns: Sequence[str],
    *,
    skipped: list[str] | None = None,
    read: Callable[[int], None] | None = None,
) -> Iterator[Record]:
    """Stream the named keys of a file with one JSON object a line. Blank lines are no rows. A .gz file is unpacked.

    Raises:
        InputError: a bad line (no JSON, no object, a key missing) and `skipped` is None; or a .gz file is cut short.
    """
    with open_rows(path, read) as file:
        lines = DecodedLines(file)
        for line in lines:
            problem, lines.problem = lines.problem, None
            if not problem and not line.strip():
                continue
            where, remedy = f"{path} row {lines.number}", "write one JSON object a line, in UTF-8"
            value: Any = None
            if not problem:
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError) as error:
                    problem = f"not JSON ({error})"
                    if line.strip() == "[":
                        remedy = "the file is one JSON list; write one object a line (jq -c '.[]')"
            if not problem and not isinstance(value, dict):
                problem = f"a JSON {type(value).__name__}, not an object"
            if not problem:
                absent = [column for column in columns if column not in value]
                if absent:
                    problem, remedy = missing_column(absent[0], list(value), "key"), "add it"
            if problem:
                reject(where, problem, remedy, skipped)
            else:
                yield Record(lines.number, where, [value[column] for column in columns])
