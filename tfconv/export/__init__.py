"""From a trained model to a SavedModel that TensorFlow Serving takes: raw text in, probabilities and label out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
