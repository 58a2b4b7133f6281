"""tfconv.data: labelled texts from files, and what turns them into batches.

Every source returns a `TextData`. Importing this package, or a source, imports no TensorFlow: a wrong column name is
reported at once.
"""

import importlib
from typing import Any

# Public name -> the module that holds it.
_NAMES = {
    "TABLE_ENDINGS": "tfconv.data.sources",
    "Preparation": "tfconv.data.preparation",
    "TextData": "tfconv.data.examples",
    "TextExamples": "tfconv.data.examples",
    "TextPreprocess": "tfconv.data.text",
    "Tokenizer": "tfconv.data.text",
    "Vocabulary": "tfconv.data.text",
    "WordVectors": "tfconv.data.vectors",
    "batches": "tfconv.data.pipeline",
    "build_vocabulary": "tfconv.data.text",
    "csv": "tfconv.data.tables",
    "imdb": "tfconv.data.imdb_reviews",
    "jsonl": "tfconv.data.tables",
    "parquet": "tfconv.data.tables",
    "read_shards": "tfconv.data.shards",
    "read_vectors": "tfconv.data.vectors",
    "rows": "tfconv.data.row_readers",
    "synthetic_reviews": "tfconv.data.synthetic",
    "text_folder": "tfconv.data.folders",
    "text_source": "tfconv.data.sources",
    "tfds": "tfconv.data.tensorflow_datasets",
    "token_chunks": "tfconv.data.text",
    "write_shards": "tfconv.data.shards",
}

__all__ = [  # noqa: F822 (the names come from __getattr__)
    "TABLE_ENDINGS",
    "Preparation",
    "TextData",
    "TextExamples",
    "TextPreprocess",
    "Tokenizer",
    "Vocabulary",
    "WordVectors",
    "batches",
    "build_vocabulary",
    "csv",
    "imdb",
    "jsonl",
    "parquet",
    "read_shards",
    "read_vectors",
    "rows",
    "synthetic_reviews",
    "text_folder",
    "text_source",
    "tfds",
    "token_chunks",
    "write_shards",
]


def __getattr__(name: str) -> Any:
    """Import a public name's module when the name is first used."""
    if name not in _NAMES:
        raise AttributeError(f"module 'tfconv.data' has no attribute {name!r}")
    value = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
