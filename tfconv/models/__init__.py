"""Classifiers of texts and of images: each returns float32 logits.

One logit for two classes, one for each class otherwise. Text models take int32 token ids (batch, steps), 0 being
padding; the number of padded steps never changes a logit. Image models take float32 pixels (batch, height, width,
channels), normalised by channel; without arguments each is its published network.
"""

from tfconv.models.alexnet import AlexNet, MiniAlexNet
from tfconv.models.all_conv_net import AllConvNet
from tfconv.models.application import from_application
from tfconv.models.bag_of_words import BagOfWordsLinear, BagOfWordsMLP
from tfconv.models.char_cnn import CharCNN, zhang_char_cnn
from tfconv.models.dilated_text_cnn import DilatedTextCNN
from tfconv.models.lesson_nets import ConvBatchNormNet, LessonResNet
from tfconv.models.multi_width_text_cnn import MultiWidthTextCNN, kim_cnn
from tfconv.models.residual_text_cnn import ResidualTextCNN
from tfconv.models.resnet import ResNet, ResNetCIFAR, resnet18, resnet20, resnet32, resnet34, resnet50, resnet56
from tfconv.models.simple_nets import ConvNet, SimpleNet, ThreeConvNet
from tfconv.models.text_cnn import TextCNN, text_cnn_imdb
from tfconv.models.vgg import VGG16
from tfconv.models.whitened_resnet import WhitenedResNet, airbench94
from tfconv.models.word_vectors import load_word_vectors

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
    "ResNet",
    "ResNetCIFAR",
    "ResidualTextCNN",
    "SimpleNet",
    "TextCNN",
    "ThreeConvNet",
    "VGG16",
    "WhitenedResNet",
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
