"""Text classifiers: each takes int32 token ids (batch, steps), 0 being padding, and returns float32 logits.

One logit for two classes, one for each class otherwise. The number of padded steps never changes a logit.
"""

from tfconv.models.text_cnn import MultiWidthTextCNN, TextCNN, kim_cnn, text_cnn_imdb
from tfconv.models.word_vectors import load_word_vectors

__all__ = ["MultiWidthTextCNN", "TextCNN", "kim_cnn", "load_word_vectors", "text_cnn_imdb"]
