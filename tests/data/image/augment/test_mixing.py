"""Mixed training sets: against mixup and cutmix themselves, repeatable, resumable, for every kind of label."""

import numpy as np
import pytest
import tensorflow as tf

import tfconv
from tfconv import InputError
from tfconv.data import augment
from tfconv.data.image.augment.mix import mixed


def shapes(batch_size=16, **settings):
    return tfconv.data.synthetic_shapes(150, seed=1).prepare(batch_size=batch_size, seed=3, **settings)


def listed(dataset):
    return [tuple(np.array(part) for part in batch) for batch in dataset]


def equal(one, other):
    return all(np.array_equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def test_repeats_by_seed_and_epoch_and_keeps_the_order_of_the_data():
    data = shapes()
    train = mixed(data.train, data.outputs, mixup_alpha=1.0, cutmix_alpha=1.0, seed=5)
    assert train.cardinality() == data.train.cardinality()
    first, second = listed(train), listed(train)
    assert not equal(first, second)
    assert equal(first, listed(train.at_epoch(0))) and equal(second, listed(train.at_epoch(1)))
    again = mixed(shapes().train, data.outputs, mixup_alpha=1.0, cutmix_alpha=1.0, seed=5)
    assert equal(second, listed(again.at_epoch(1)))
    assert equal(second[3:], listed(again.at_epoch(1).skip(3)))
    other = mixed(data.train, data.outputs, mixup_alpha=1.0, cutmix_alpha=1.0, seed=6)
    assert not equal(first, listed(other.at_epoch(0)))


def own_and_other(rows, labels):
    """Share of the own class where the partner has another one, else NaN."""
    own = rows[np.arange(len(rows)), labels]
    return np.where(np.isclose(own, 1), np.nan, own)


@pytest.mark.parametrize(("mixup_alpha", "cutmix_alpha"), [(0.4, None), (None, 1.0), (0.4, 1.0)])
def test_images_and_labels_agree(mixup_alpha, cutmix_alpha):
    """Image i is i everywhere and its class is i, so that a mean tells the share that its label should."""
    n = 64
    images = np.tile(np.arange(n, dtype=np.float32)[:, None, None, None], (1, 16, 16, 1)) - 20.0
    plain = tf.data.Dataset.from_tensors((images, np.arange(n))).repeat(12)
    train = mixed(plain, n, mixup_alpha=mixup_alpha, cutmix_alpha=cutmix_alpha, seed=1)
    kinds = []
    for changed, rows in listed(train):
        assert changed.dtype == np.float32 and rows.shape == (n, n)
        np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), rows @ images[:, 0, 0, 0], atol=2e-4)
        flat = (changed == changed[:, :1, :1]).all()
        kinds.append("mixup" if flat else "cutmix")
        assert flat or set(np.unique(changed)) <= set(images[:, 0, 0, 0])  # pieces, not blends
        own = own_and_other(rows, np.arange(n))
        assert len(np.unique(own[~np.isnan(own)])) > 5  # each image its own share
    expected = {"mixup"} if cutmix_alpha is None else {"cutmix"} if mixup_alpha is None else {"mixup", "cutmix"}
    assert set(kinds) == expected


def test_one_logit_and_several_labels():
    images = np.random.default_rng(0).normal(size=(40, 4, 4, 3)).astype("float32")
    two = np.arange(40) % 2
    several = np.random.default_rng(0).integers(0, 2, (40, 5)).astype("float32")
    every = {}
    for name, labels, outputs in (("each", np.arange(40), 40), ("two", two, 1), ("several", several, 5)):
        plain = tf.data.Dataset.from_tensors((images, labels))
        ((changed, every[name]),) = listed(mixed(plain, outputs, cutmix_alpha=1.0, seed=2))
    np.testing.assert_allclose(every["two"], every["each"] @ two[:, None], atol=1e-6)
    np.testing.assert_allclose(every["several"], every["each"] @ several, atol=1e-6)
    assert every["two"].shape == (40, 1) and ((every["two"] > 0.01) & (every["two"] < 0.99)).any()


def test_a_data_set_of_unknown_length():
    data = shapes()
    unknown = data.train.at_epoch(0).filter(lambda *_: True)
    known = listed(mixed(data.train, data.outputs, mixup_alpha=1.0).at_epoch(0))
    assert equal(listed(mixed(unknown, data.outputs, mixup_alpha=1.0)), known)
    assert not hasattr(mixed(unknown, data.outputs, mixup_alpha=1.0), "at_epoch")


def test_normalised_images_are_blended_as_numbers():
    data = shapes(augment=augment.side_on)
    ((plain, labels), *_), ((changed, rows), *_) = (
        listed(dataset.at_epoch(2)) for dataset in (data.train, mixed(data.train, data.outputs, mixup_alpha=5.0))
    )
    own = own_and_other(rows, labels)
    i = int(np.flatnonzero(~np.isnan(own))[0])
    residual = (changed[i] - own[i] * plain[i]) / (1 - own[i])
    assert min(np.abs(residual - other).max() for other in plain) < 1e-3
    assert plain.min() < 0  # standardised


def test_mistakes_name_what_is_wrong():
    data, texts = shapes(), tfconv.data.synthetic_reviews(40).prepare(batch_size=8, length=9)
    for arguments, message in (
        ({}, "mixup_alpha or cutmix_alpha must be given, got neither"),
        ({"mixup_alpha": 0.0}, "mixup_alpha must be a number from 0.001 to 1000, got 0.0"),
        ({"cutmix_alpha": float("nan")}, "cutmix_alpha must be .* got nan"),
        ({"mixup_alpha": 1.0, "seed": -1}, "seed must be .* got -1"),
    ):
        with pytest.raises(InputError, match=message):
            mixed(data.train, data.outputs, **arguments)
    with pytest.raises(InputError, match=r"images .* are for nothing else; got int32 of shape \(.*9\)"):
        mixed(texts.train, 1, mixup_alpha=1.0)
    with pytest.raises(InputError, match=r"must give \(images, labels\), got "):
        mixed(data.train.map(lambda x, y: (x, y, 1.0)), 2, mixup_alpha=1.0)
    rows = data.train.map(lambda x, y: (x, tf.one_hot(y, 9)))
    with pytest.raises(InputError, match=r"labels must be \(batch,\) or \(batch, 4\), got shape .*9"):
        mixed(rows, 4, mixup_alpha=1.0)
