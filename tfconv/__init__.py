"""tfconv: convolutional text and image classifiers in Keras 3, from labelled files to a served model.

`import tfconv` is instant: TensorFlow is imported by the first subpackage that needs it.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
