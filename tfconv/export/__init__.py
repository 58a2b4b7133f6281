"""From a trained model to a SavedModel that TensorFlow Serving takes: raw text in, probabilities and label out."""

from tfconv.export.checks import ExportError, check_saved_model
from tfconv.export.serving import export_serving

__all__ = ["ExportError", "check_saved_model", "export_serving"]
