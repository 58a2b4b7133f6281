"""The tokens that every vocabulary begins with, in the order of their ids."""

__all__ = ["OUT_OF_VOCABULARY", "PAD", "SPECIAL", "START"]

SPECIAL = ("", "<start>", "<oov>")
PAD, START, OUT_OF_VOCABULARY = range(len(SPECIAL))
