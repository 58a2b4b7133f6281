"""tfconv.data: labelled texts from files, and what turns them into batches.

Every source returns a `TextData`. Importing this package, or a source, imports no TensorFlow: a wrong column name is
reported at once.
"""

import importlib
from typing import Any

# Public name -> the module that holds it.
_NAMES = {
    "token_chunks": "tfconv.data.text",
    "build_vocabulary": "tfconv.data.text",
    "batches": "tfconv.data.pipeline",
    "Vocabulary": "tfconv.data.text",
    "Tokenizer": "tfconv.data.text",
    "TextPreprocess": "tfconv.data.text",
    "Preparation": "tfconv.data.preparation",
    "TextData": "tfconv.data.examples",
    "TextExamples": "tfconv.data.examples",
    "WordVectors": "tfconv.data.vectors",
    "csv": "tfconv.data.tables",
    "imdb": "tfconv.data.imdb_reviews",
    "jsonl": "tfconv.data.tables",
    "parquet": "tfconv.data.tables",
    "read_vectors": "tfconv.data.vectors",
    "rows": "tfconv.data.row_readers",
    "synthetic_reviews": "tfconv.data.synthetic",
    "text_folder": "tfconv.data.folders",
    "text_source": "tfconv.data.sources",
    "tfds": "tfconv.data.tensorflow_datasets",
}

__all__ = [  # noqa: F822 (the names come from __getattr__)
    "token_chunks",
    "build_vocabulary",
    "batches",
    "Vocabulary",
    "Tokenizer",
    "TextPreprocess",
    "Preparation",
    "TextData",
    "TextExamples",
    "WordVectors",
    "csv",
    "imdb",
    "jsonl",
    "parquet",
    "read_vectors",
    "rows",
    "synthetic_reviews",
    "text_folder",
    "text_source",
    "tfds",
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
