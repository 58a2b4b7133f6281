"""Scores of a trained classifier, its report, and its answers to raw sentences."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
