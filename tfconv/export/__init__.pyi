"""From a trained model to a SavedModel that TensorFlow Serving takes: raw text in, probabilities and label out."""

from .checks import ExportError as ExportError
from .checks import check_saved_model as check_saved_model
from .saved_model import export_serving as export_serving
