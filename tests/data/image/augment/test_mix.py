"""Cutout, mixup, cutmix: labels tell partner and share, and the images must agree with them by NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tfconv import InputError
from tfconv.data import augment

MANY = 2000


def some_images(n=40, dtype="float32"):
    return np.random.default_rng(0).integers(0, 256, (n, 6, 8, 3)).astype(dtype)


def own_share_and_partner(rows):
    """From mixed labels where each image is a class of its own: the share kept, and whose image was mixed in."""
    own = np.diagonal(rows).copy()
    others = rows - np.diag(own)
    assert ((others > 0).sum(axis=1) <= 1).all()
    partner = np.where(others.any(axis=1), others.argmax(axis=1), np.arange(len(rows)))
    return own.astype(np.float64), partner


@pytest.mark.parametrize("size", [1, 3, 4])
def test_cutout_blanks_a_square_about_every_pixel_equally_often(size):
    height, width = 6, 8
    masks = augment.cutout(np.zeros((MANY, height, width, 1), np.uint8), (1, 2), size, fill=255).numpy()[..., 0] == 255
    expected = np.zeros((height * width, height, width), bool)
    for centre in range(height * width):
        top, left = centre // width - size // 2, centre % width - size // 2
        expected[centre, max(top, 0) : top + size, max(left, 0) : left + size] = True
    equal = (masks[:, None] == expected).all(axis=(2, 3))
    assert (equal.sum(axis=1) == 1).all()
    counts, mean = equal.sum(axis=0), MANY / len(expected)
    assert np.sum((counts - mean) ** 2 / mean) < 47 + 5 * np.sqrt(2 * 47)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_cutout_leaves_the_rest_alone(dtype):
    images = some_images(dtype=dtype) // 2
    outputs = augment.cutout(images, (1, 2), 3, fill=200.6).numpy()
    blank = outputs > 127
    assert np.array_equal(outputs[~blank], images[~blank])
    assert set(outputs[blank]) == {201 if dtype == "uint8" else np.float32(200.6)}
    assert (blank.any(axis=3) == blank.all(axis=3)).all()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_mixup_is_its_formula_for_images_and_labels(dtype):
    images = some_images(dtype=dtype)
    mixed, rows = augment.mixup(images, np.arange(40), (1, 2), alpha=1, classes=40)
    share, partner = own_share_and_partner(rows.numpy())
    assert sorted(partner) == list(range(40)) and (partner != np.arange(40)).sum() > 30
    shares = share[:, None, None, None]
    expected = shares * images + (1 - shares) * images[partner]
    np.testing.assert_allclose(mixed, expected, atol=0.501 if dtype == "uint8" else 1e-4)
    np.testing.assert_allclose(rows.numpy().sum(axis=1), 1, rtol=1e-6)
    assert mixed.dtype == dtype and rows.dtype == tf.float32


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 5.0])
def test_shares_are_of_the_beta_distribution(alpha):
    images, alone = np.zeros((MANY, 1, 1, 1), np.float32), np.eye(MANY, dtype=np.float32)
    share, _ = own_share_and_partner(augment.mixup(images, alone, (3, 4), alpha=alpha)[1].numpy())
    # A share of one leaves no trace of the partner, who is the same for every alpha.
    _, partner = own_share_and_partner(augment.mixup(images, alone, (3, 4), alpha=9)[1].numpy())
    share = share[partner != np.arange(MANY)]
    n, variance = len(share), 1 / (4 * (2 * alpha + 1))
    assert n > MANY - 20
    assert np.isfinite(share).all() and abs(share.mean() - 0.5) < 5 * np.sqrt(variance / n)
    # The fourth central moment of Beta(alpha, alpha) is 3 variance / (4 (2 alpha + 3)).
    fourth = 3 * variance / (4 * (2 * alpha + 3))
    assert abs(share.var() - variance) < 5 * np.sqrt((fourth - variance**2) / n)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_cutmix_puts_in_one_rectangle_and_labels_its_exact_area(dtype):
    images = np.tile(np.arange(200).reshape(-1, 1, 1, 1), (1, 6, 8, 2)).astype(dtype)  # image i is all i
    mixed, rows = augment.cutmix(images, np.arange(200), (1, 2), classes=200)
    mixed = mixed.numpy()
    own, partner = own_share_and_partner(rows.numpy())
    assert mixed.dtype == dtype and (mixed[..., 0] == mixed[..., 1]).all()
    areas = set()
    for i, output in enumerate(mixed[..., 0]):
        assert set(np.unique(output)) <= {i, partner[i]}
        foreign = output == partner[i] if partner[i] != i else np.zeros_like(output, bool)
        y, x = foreign.any(axis=1), foreign.any(axis=0)
        assert np.array_equal(foreign, y[:, None] & x)
        assert (np.diff(np.flatnonzero(y)) == 1).all() and (np.diff(np.flatnonzero(x)) == 1).all()
        assert own[i] == np.float32(1) - np.float32(foreign.sum() / np.float32(48))
        areas.add((y.sum(), x.sum()))
    assert len(areas) > 15


def test_cutmix_rectangles_have_the_root_of_the_share_as_their_sides():
    images = np.zeros((MANY, 64, 64, 1), np.float32)
    images[::2] = 1
    rows = augment.cutmix(images, np.eye(MANY), (5, 6))[1].numpy()
    own, partner = own_share_and_partner(rows)
    changed = 1 - own[partner != np.arange(MANY)]
    # For a uniform area a, an edge of s = sqrt(a) about a uniform centre leaves s - s^2 / 4 inside: E = E[s - s^2/4]^2.
    s = np.floor(64 * np.sqrt(np.linspace(0, 1, 10001))) / 64
    expected = np.mean((s - s**2 / 4) ** 2)
    assert abs(changed.mean() - expected) < 5 * changed.std() / np.sqrt(len(changed))


@pytest.mark.parametrize("function", [augment.mixup, augment.cutmix])
def test_rows_and_class_numbers_give_the_same_and_several_labels_mix(function):
    images, labels = some_images(), np.arange(40) % 5
    for kind in ("int32", "int64", "uint8"):
        by_number = function(images, labels.astype(kind), (1, 2), classes=5)
        for one, other in zip(by_number, function(images, np.eye(5)[labels], (1, 2)), strict=True):
            assert np.array_equal(one, other)
    every = function(images, np.eye(40), (1, 2))[1]
    several = np.random.default_rng(0).integers(0, 2, (40, 7))
    np.testing.assert_allclose(function(images, several, (1, 2), classes=7)[1], every @ several.astype(np.float32))


@pytest.mark.parametrize("function", [augment.mixup, augment.cutmix])
def test_a_data_set_and_an_unknown_batch_size_give_what_the_call_gives(function):
    images, labels = some_images(dtype="uint8"), np.arange(40) % 5
    expected = function(images, labels, (1, 2), classes=5)
    mapped = tf.data.Dataset.from_tensor_slices((images, labels)).batch(40)
    mapped = next(iter(mapped.map(lambda x, y: function(x, y, (1, 2), classes=5))))
    specs = [tf.TensorSpec((None, 6, 8, 3), tf.uint8), tf.TensorSpec((None,), tf.int64)]
    graph = tf.function(lambda x, y: function(x, y, (1, 2), classes=5), input_signature=specs)
    for others in (mapped, graph(images, labels), function(images, labels, (1, 2), classes=5)):
        for one, other in zip(expected, others, strict=True):
            assert np.array_equal(one, other)
    assert not np.array_equal(function(images, labels, (1, 3), classes=5)[0], expected[0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels must be class numbers below classes=5"):
        graph(images, labels + 1)


@pytest.mark.parametrize(
    ("labels", "arguments", "message"),
    [
        (np.arange(3), {"classes": 3}, r"labels must be class numbers .* for 40 images, got shape \(3,\)"),
        (np.zeros((40, 2, 2)), {}, r"labels must be .* got shape \(40, 2, 2\)"),
        (np.zeros(40, int), {}, "classes must say how many there are.* got None"),
        (np.zeros(40), {"classes": 2}, "must be whole class numbers, got float64"),
        (np.full(40, 2), {"classes": 2}, "labels must be class numbers below classes=2, got 2"),
        (np.full(40, -1), {"classes": 2}, "labels must be class numbers below classes=2, got -1"),
        (np.zeros((40, 3)), {"classes": 2}, r"one column a class, 2, got shape \(40, 3\)"),
        (np.zeros((40, 3)), {"alpha": 0}, "alpha must be a number from 0.001 to 1000, got 0"),
        (np.zeros((40, 3)), {"classes": 0}, "classes must be a whole number from 1 .* got 0"),
    ],
)
def test_mistakes_name_the_argument_the_rule_and_the_value(labels, arguments, message):
    for function in (augment.mixup, augment.cutmix):
        with pytest.raises(InputError, match=message):
            function(some_images(), labels, (1, 2), **arguments)


@pytest.mark.parametrize(("arguments", "message"), [({"size": 0}, "size must be"), ({"fill": 256}, "fill must be")])
def test_mistakes_of_cutout(arguments, message):
    with pytest.raises(InputError, match=message):
        augment.cutout(some_images(), (1, 2), **arguments)
