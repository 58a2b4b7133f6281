"""tfconv.data: labelled texts and images from files, and what turns them into batches.

Every source returns a `TextData` or an `ImageData`. Importing this package, or a source, imports no TensorFlow: a wrong
column name is reported at once.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
