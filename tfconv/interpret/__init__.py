"""What a trained classifier looks at: tokens that decide, and its word vectors."""

from tfconv.interpret.embeddings import embedding_matrix, write_projector
from tfconv.interpret.token_figures import text_figure, tokens_figure
from tfconv.interpret.tokens import SignificantTokens, TokenEffect, linear_weights, occlusion, significant_tokens

__all__ = [
    "SignificantTokens",
    "TokenEffect",
    "embedding_matrix",
    "linear_weights",
    "occlusion",
    "significant_tokens",
    "text_figure",
    "tokens_figure",
    "write_projector",
]
