"""tfconv.data: labelled texts and pictures from files, and what turns them into batches.

Every source returns a `TextData` or an `ImageData`. Importing this package, or a source, imports no TensorFlow: a wrong
column name is reported at once.
"""

import importlib
from typing import Any

# Public name -> the module that holds it.
_NAMES = {
    "TABLE_ENDINGS": "tfconv.data.sources",
    "Dialect": "tfconv.data.dialect",
    "ImageData": "tfconv.data.image_examples",
    "ImageExamples": "tfconv.data.image_examples",
    "ImagePreparation": "tfconv.data.image_preparation",
    "ImagePreprocess": "tfconv.data.image",
    "Preparation": "tfconv.data.preparation",
    "StreamedTextData": "tfconv.data.streamed_texts",
    "TextData": "tfconv.data.examples",
    "TextExamples": "tfconv.data.examples",
    "TextPreprocess": "tfconv.data.text",
    "Tokenizer": "tfconv.data.text",
    "Vocabulary": "tfconv.data.text",
    "WordVectors": "tfconv.data.vectors",
    "augment": "tfconv.data.augment",
    "batches": "tfconv.data.pipeline",
    "build_vocabulary": "tfconv.data.text",
    "cifar10": "tfconv.data.cifar10_pictures",
    "conflicting_labels": "tfconv.data.repeats",
    "csv": "tfconv.data.tables",
    "example_keys": "tfconv.data.repeats",
    "image_folder": "tfconv.data.image_folders",
    "image_source": "tfconv.data.image_sources",
    "image_table": "tfconv.data.image_tables",
    "imdb": "tfconv.data.imdb_reviews",
    "jsonl": "tfconv.data.tables",
    "parquet": "tfconv.data.tables",
    "read_shards": "tfconv.data.shards",
    "read_vectors": "tfconv.data.vectors",
    "rows": "tfconv.data.row_readers",
    "shared_examples": "tfconv.data.repeats",
    "stratified_folds": "tfconv.data.folds",
    "synthetic_reviews": "tfconv.data.synthetic",
    "synthetic_shapes": "tfconv.data.shapes",
    "text_folder": "tfconv.data.folders",
    "text_source": "tfconv.data.sources",
    "text_stream": "tfconv.data.streamed_texts",
    "tfds": "tfconv.data.tensorflow_datasets",
    "token_chunks": "tfconv.data.tokenising",
    "write_shards": "tfconv.data.shards",
}

__all__ = [  # noqa: F822 (the names come from __getattr__)
    "TABLE_ENDINGS",
    "Dialect",
    "ImageData",
    "ImageExamples",
    "ImagePreparation",
    "ImagePreprocess",
    "Preparation",
    "StreamedTextData",
    "TextData",
    "TextExamples",
    "TextPreprocess",
    "Tokenizer",
    "Vocabulary",
    "WordVectors",
    "augment",
    "batches",
    "build_vocabulary",
    "cifar10",
    "conflicting_labels",
    "csv",
    "example_keys",
    "image_folder",
    "image_source",
    "image_table",
    "imdb",
    "jsonl",
    "parquet",
    "read_shards",
    "read_vectors",
    "rows",
    "shared_examples",
    "stratified_folds",
    "synthetic_reviews",
    "synthetic_shapes",
    "text_folder",
    "text_source",
    "text_stream",
    "tfds",
    "token_chunks",
    "write_shards",
]


def __getattr__(name: str) -> Any:
    """Import a public name's module when the name is first used."""
    if name not in _NAMES:
        raise AttributeError(f"module 'tfconv.data' has no attribute {name!r}")
    module = importlib.import_module(_NAMES[name])
    value = module if name == "augment" else getattr(module, name)  # a family of functions keeps its own name
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
