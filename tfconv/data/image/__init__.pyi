"""Labelled images: their files, decoding, data sets, and augmentation."""

from . import augment as augment
