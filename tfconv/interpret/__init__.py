"""What a trained classifier looks at and learned: tokens, word vectors, images, filters, curves, its diagram."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
