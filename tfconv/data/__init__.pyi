"""tfconv.data: labelled texts and images from files, and what turns them into batches.

Every source returns a `TextData` or an `ImageData`. Importing this package, or a source, imports no TensorFlow: a wrong
column name is reported at once.
"""

from .batching import EpochDataset as EpochDataset
from .batching import batches as batches
from .duplicates import conflicting_labels as conflicting_labels
from .duplicates import example_keys as example_keys
from .duplicates import shared_examples as shared_examples
from .image import augment as augment
from .image.dataset import ImageData as ImageData
from .image.dataset import ImageExamples as ImageExamples
from .image.dataset import ImagePreparation as ImagePreparation
from .image.folders import image_folder as image_folder
from .image.preprocess import ImagePreprocess as ImagePreprocess
from .image.tables import image_table as image_table
from .rows.columns import Columns as Columns
from .rows.dialect import Dialect as Dialect
from .rows.labelled import read_rows as read_rows
from .rows.tables import csv as csv
from .rows.tables import jsonl as jsonl
from .rows.tables import parquet as parquet
from .sets.cifar10 import cifar10 as cifar10
from .sets.imdb import imdb as imdb
from .sets.synthetic import synthetic_reviews as synthetic_reviews
from .sets.synthetic import synthetic_shapes as synthetic_shapes
from .sets.tfds import tfds as tfds
from .source import image_source as image_source
from .source import text_source as text_source
from .splits import stratified_folds as stratified_folds
from .text.dataset import Preparation as Preparation
from .text.dataset import TextData as TextData
from .text.dataset import TextExamples as TextExamples
from .text.folders import text_folder as text_folder
from .text.ngrams import NGrams as NGrams
from .text.preprocess import TextPreprocess as TextPreprocess
from .text.shards import read_shards as read_shards
from .text.shards import write_shards as write_shards
from .text.stream import StreamedTextData as StreamedTextData
from .text.stream import text_stream as text_stream
from .text.tokenizer import Tokenizer as Tokenizer
from .text.tokenizer import token_chunks as token_chunks
from .text.vectors import WordVectors as WordVectors
from .text.vectors import read_vectors as read_vectors
from .text.vocabulary import Vocabulary as Vocabulary
from .text.vocabulary import build_vocabulary as build_vocabulary
