"""What a trained classifier looks at and learned: tokens, word vectors, images, filters, curves, its diagram."""

from .curves import curves_figure as curves_figure
from .curves import lr_find_figure as lr_find_figure
from .curves import schedules_figure as schedules_figure
from .diagram import model_diagram as model_diagram
from .embeddings import embedding_matrix as embedding_matrix
from .embeddings import write_projector as write_projector
from .filters import feature_maps_figure as feature_maps_figure
from .filters import filters_figure as filters_figure
from .image_figures import confidence_figure as confidence_figure
from .image_figures import predictions_figure as predictions_figure
from .image_figures import samples_figure as samples_figure
from .tokens import SignificantTokens as SignificantTokens
from .tokens import TokenEffect as TokenEffect
from .tokens import class_tokens_figure as class_tokens_figure
from .tokens import linear_weights as linear_weights
from .tokens import occlusion as occlusion
from .tokens import significant_ngrams as significant_ngrams
from .tokens import significant_tokens as significant_tokens
from .tokens import text_figure as text_figure
from .tokens import tokens_figure as tokens_figure
