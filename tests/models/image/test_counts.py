"""Image models have the sizes that papers, courses and torchvision print; impossible settings are refused."""

import keras
import numpy as np
import pytest

from tfconv import geometry, models
from tfconv.errors import InputError


def trainable(model):
    """Numbers that are trained: Keras' count_params has running statistics too, published counts have not."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (models.SimpleNet, 32 * 32 * 3 * 40 + 40 + 40 * 10 + 10),
        (models.ConvNet, 560 + 7_240 + 28_880 + 810),
        (models.MiniAlexNet, 2_023_370),  # Deep Learning Indaba 2018, practical 2
        (models.AllConvNet, 1_369_738),  # 1.37 M: Springenberg et al. 2015, table 4
        (models.resnet20, 269_722),  # 0.27 M, 0.46 M, 0.85 M: He et al. 2016, table 6
        (models.resnet32, 464_154),
        (models.resnet56, 853_018),
        (models.resnet18, 11_689_512),  # these: torchvision
        (models.resnet34, 21_797_672),
        (models.resnet50, 25_557_032),
        (models.AlexNet, 61_100_840),
        (models.VGG16, 138_357_544),
        (models.airbench94, 1_971_352),  # 1.97 M: Jordan 2024; 12 x 24 frozen ones are not counted
    ],
)
def test_published_count(make, count):
    # Without drawing the numbers, which takes seconds and half a gigabyte for VGG16.
    with keras.StatelessScope(initialize_variables=False):
        assert trainable(make()) == count


def test_mini_alexnet_has_its_counts_and_sizes():
    model = models.MiniAlexNet()
    convolutions = [layer for layer in model.layers if layer.name.startswith("convolution")]
    assert sum(layer.count_params() for layer in convolutions) == 831_424
    assert [layer.output.shape[1:] for layer in convolutions] == [
        (32, 32, 48),
        (10, 10, 128),
        (3, 3, 192),
        (3, 3, 192),
        (3, 3, 128),
    ]
    # Batch normalisation: a scale and an offset a channel, in place of the bias.
    assert trainable(models.MiniAlexNet(normalization="batch")) == 2_023_370 + sum((48, 128, 192, 192, 128))


def test_lesson_nets_have_the_courses_layers():
    def bn(channels, filters, size=3):
        return size * size * channels * filters + 2 * filters

    widths = [10, 20, 40, 80, 160]
    stem, head = geometry.parameter_count((5, 5), 3, 10), 160 * 10 + 10
    halving = sum(bn(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True))
    assert trainable(models.ConvBatchNormNet()) == stem + halving + head
    keeping = sum(bn(b, b) for b in widths[1:])
    assert trainable(models.ConvBatchNormNet(deep=True)) == stem + halving + keeping + head
    wide = [16, 32, 64, 128, 256]
    expected = bn(3, 16, 5) + sum(bn(a, b) + 2 * bn(b, b) for a, b in zip(wide[:-1], wide[1:], strict=True)) + 2570
    assert trainable(models.LessonResNet()) == expected


def test_three_conv_net_has_three_normalised_convolutions():
    convolutions = 9 * (3 * 30 + 30 * 60 + 60 * 120) + 2 * (30 + 60 + 120)
    assert trainable(models.ThreeConvNet()) == convolutions + 4 * 4 * 120 * 10 + 10


@pytest.mark.parametrize(
    ("make", "smallest"),
    [
        (models.ConvNet, 15),
        (models.MiniAlexNet, 27),
        (models.AllConvNet, 9),
        (models.ThreeConvNet, 8),
        (models.WhitenedResNet, 9),
        (lambda shape: models.AlexNet(shape, hidden_units=(8,)), 63),
        (lambda shape: models.VGG16(shape, hidden_units=(8,)), 32),
    ],
)
def test_images_may_be_as_small_as_said_and_no_smaller(make, smallest):
    model = make((smallest, smallest, 3))
    assert model(np.zeros((1, smallest, smallest, 3), "float32")).shape[0] == 1
    with pytest.raises(InputError, match=f"at least {smallest} x {smallest} pixels"):
        make((smallest, smallest - 1, 3))


@pytest.mark.parametrize(
    "make", [models.ConvNet, models.AllConvNet, models.LessonResNet, models.ResNetCIFAR, models.WhitenedResNet]
)
def test_models_that_pool_over_all_places_take_any_size(make):
    model = make((None, None, 3))
    for size in (32, 41):
        assert model(np.zeros((2, size, size + 3, 3), "float32")).shape == (2, 10)


@pytest.mark.parametrize(
    "make",
    [
        lambda: models.SimpleNet((32, 32)),
        lambda: models.SimpleNet((None, 32, 3)),
        lambda: models.ConvNet((32, 32, None)),
        lambda: models.ConvNet((32, 32, 0)),
        lambda: models.ConvNet((32.0, 32, 3)),
        lambda: models.MiniAlexNet(widths=(3, 4)),
        lambda: models.MiniAlexNet(normalization="layer"),
        lambda: models.AlexNet(widths=(3, 4)),
        lambda: models.AllConvNet(normalization="group"),
        lambda: models.VGG16(widths=(3, 4)),
        lambda: models.VGG16(normalization="layer"),
        lambda: models.ConvBatchNormNet(widths=()),
        lambda: models.LessonResNet(widths=()),
        lambda: models.LessonResNet(stem_kernel_size=4),
        lambda: models.ResNetCIFAR(depth=21),
        lambda: models.ResNetCIFAR(widths=(3, 4)),
        lambda: models.ResNetCIFAR(shortcut="identity"),
        lambda: models.ResNet(blocks=(2, 2)),
        lambda: models.WhitenedResNet(pooling="average"),
        lambda: models.WhitenedResNet(widths=()),
    ],
)
def test_impossible_arguments_are_refused(make):
    with pytest.raises(ValueError, match="Received"):
        make()
