"""Labelled rows of CSV, JSONL, Parquet and TFRecord files."""
