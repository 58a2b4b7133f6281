"""Text classifiers: each takes int32 token ids (batch, steps), 0 being padding, and returns float32 logits.

One logit for two classes, one for each class otherwise. The number of padded steps never changes a logit.
"""

from tfconv.models.bag_of_words import BagOfWordsLinear, BagOfWordsMLP
from tfconv.models.char_cnn import CharCNN, zhang_char_cnn
from tfconv.models.dilated_text_cnn import DilatedTextCNN
from tfconv.models.multi_width_text_cnn import MultiWidthTextCNN, kim_cnn
from tfconv.models.residual_text_cnn import ResidualTextCNN
from tfconv.models.text_cnn import TextCNN, text_cnn_imdb
from tfconv.models.word_vectors import load_word_vectors

__all__ = [
    "BagOfWordsLinear",
    "BagOfWordsMLP",
    "CharCNN",
    "DilatedTextCNN",
    "MultiWidthTextCNN",
    "ResidualTextCNN",
    "TextCNN",
    "kim_cnn",
    "load_word_vectors",
    "text_cnn_imdb",
    "zhang_char_cnn",
]
