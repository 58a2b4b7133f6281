"""Convolution arithmetic, and what each layer of a model sees of its input."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
