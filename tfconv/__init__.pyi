"""tfconv: convolutional text and image classifiers in Keras 3, from labelled files to a served model.

`import tfconv` is instant: TensorFlow is imported by the first subpackage that needs it.
"""

from . import data as data
from . import evaluation as evaluation
from . import export as export
from . import geometry as geometry
from . import interpret as interpret
from . import kinds as kinds
from . import layers as layers
from . import models as models
from . import runtime as runtime
from . import tasks as tasks
from . import training as training
from .errors import InputError as InputError

__version__: str
