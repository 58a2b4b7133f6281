"""What a trained classifier looks at and learned: tokens, word vectors, pictures, filters, curves, its diagram."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfconv.interpret.diagram import model_diagram
    from tfconv.interpret.embeddings import embedding_matrix, write_projector
    from tfconv.interpret.filter_figures import feature_maps_figure, filters_figure
    from tfconv.interpret.history_figures import curves_figure
    from tfconv.interpret.learning_rate_figures import lr_find_figure, schedules_figure
    from tfconv.interpret.picture_figures import confidence_figure, predictions_figure, samples_figure
    from tfconv.interpret.token_figures import text_figure, tokens_figure
    from tfconv.interpret.tokens import SignificantTokens, TokenEffect, linear_weights, occlusion, significant_tokens

# Name to module, so that figures of pictures and of a history load neither TensorFlow nor Keras.
_HOMES = {
    "SignificantTokens": "tokens",
    "TokenEffect": "tokens",
    "confidence_figure": "picture_figures",
    "curves_figure": "history_figures",
    "embedding_matrix": "embeddings",
    "feature_maps_figure": "filter_figures",
    "filters_figure": "filter_figures",
    "linear_weights": "tokens",
    "lr_find_figure": "learning_rate_figures",
    "model_diagram": "diagram",
    "occlusion": "tokens",
    "predictions_figure": "picture_figures",
    "samples_figure": "picture_figures",
    "schedules_figure": "learning_rate_figures",
    "significant_tokens": "tokens",
    "text_figure": "token_figures",
    "tokens_figure": "token_figures",
    "write_projector": "embeddings",
}

__all__ = [
    "SignificantTokens",
    "TokenEffect",
    "confidence_figure",
    "curves_figure",
    "embedding_matrix",
    "feature_maps_figure",
    "filters_figure",
    "linear_weights",
    "lr_find_figure",
    "model_diagram",
    "occlusion",
    "predictions_figure",
    "samples_figure",
    "schedules_figure",
    "significant_tokens",
    "text_figure",
    "tokens_figure",
    "write_projector",
]


def __getattr__(name: str) -> Any:
    """Import a name's module when it is first asked for."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"tfconv.interpret.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tfconv.interpret' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
