"""Text and image classifiers: functional `keras.Model`s that return float32 logits.

A model has one logit for two classes, else one per class. Text models take int32 token ids (batch, steps), and
`NGramLinear` ids of n-grams, 0 being padding; the number of padded steps does not change the logits. Image models take
float32 pixels (batch, height, width, channels), normalised by channel; without arguments each is its published network.
"""

from tfconv.models.image.alexnet import AlexNet, MiniAlexNet
from tfconv.models.image.all_conv_net import AllConvNet
from tfconv.models.image.application import from_application
from tfconv.models.image.fastai_lesson import ConvBatchNormNet, ConvNet, LessonResNet, SimpleNet, ThreeConvNet
from tfconv.models.image.resnet import ResNet, ResNetCIFAR, resnet18, resnet20, resnet32, resnet34, resnet50, resnet56
from tfconv.models.image.vgg import VGG16
from tfconv.models.image.whitened_resnet import WhitenedResNet, airbench94
from tfconv.models.text.bag_of_words import BagOfWordsLinear, BagOfWordsMLP
from tfconv.models.text.char_cnn import CharCNN, zhang_char_cnn
from tfconv.models.text.deep_text_cnn import DilatedTextCNN, ResidualTextCNN
from tfconv.models.text.embedding import load_word_vectors
from tfconv.models.text.ngram_linear import NGramLinear
from tfconv.models.text.text_cnn import MultiWidthTextCNN, TextCNN, kim_cnn, text_cnn_imdb
from tfconv.models.text.wide_deep import WideDeepTextCNN

__all__ = [
    "AlexNet",
    "AllConvNet",
    "BagOfWordsLinear",
    "BagOfWordsMLP",
    "CharCNN",
    "ConvBatchNormNet",
    "ConvNet",
    "DilatedTextCNN",
    "LessonResNet",
    "MiniAlexNet",
    "MultiWidthTextCNN",
    "NGramLinear",
    "ResNet",
    "ResNetCIFAR",
    "ResidualTextCNN",
    "SimpleNet",
    "TextCNN",
    "ThreeConvNet",
    "VGG16",
    "WhitenedResNet",
    "WideDeepTextCNN",
    "airbench94",
    "from_application",
    "kim_cnn",
    "load_word_vectors",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet50",
    "resnet56",
    "text_cnn_imdb",
    "zhang_char_cnn",
]
