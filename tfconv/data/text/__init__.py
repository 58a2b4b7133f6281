"""Labelled texts: tokens, vocabularies, data sets, streams."""
