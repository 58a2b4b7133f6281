"""LazyAdam against NumPy row by row, and against FusedAdam where every row is touched."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import tfconv
from tfconv.training import FusedAdam, fit
from tfconv.training.optimizers.adam import LazyAdam


def row_by_row(table, batches, rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-7, clip=None):
    """Adam for the rows named in each batch; the correction counts batches."""
    table, m, v = table.astype("float64"), np.zeros(table.shape), np.zeros(table.shape)
    for t, (rows, parts) in enumerate(batches, 1):
        sums = {row: sum(part for r, part in zip(rows, parts, strict=True) if r == row) for row in rows}
        norm = np.sqrt(sum((part**2).sum() for part in sums.values()))
        for row, g in sums.items():
            g = g * min(1, clip / norm) if clip else g
            m[row] = beta_1 * m[row] + (1 - beta_1) * g
            v[row] = beta_2 * v[row] + (1 - beta_2) * g**2
            alpha = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
            table[row] = table[row] - alpha * m[row] / (np.sqrt(v[row]) + epsilon)
    return table


def slices(rows, parts, shape):
    return tf.IndexedSlices(tf.constant(parts, tf.float32), tf.constant(rows, tf.int32), tf.constant(shape))


def trained(optimizer, table, batches):
    variable = keras.Variable(table)
    optimizer.build([variable])
    spec = tf.IndexedSlicesSpec(table.shape, tf.float32, tf.int32, tf.int32, (None,))
    step = tf.function(lambda gradient: optimizer.apply([gradient], [variable]), input_signature=[spec])
    for rows, parts in batches:
        step(slices(rows, parts, table.shape))
    return variable.numpy()


def random_batches(seed, height, numbers):
    rng = np.random.default_rng(seed)
    return [(rng.integers(0, height, n), rng.normal(size=(n, 3)).astype("float32")) for n in numbers]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 999), st.integers(1, 6), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_touched_rows_move_as_in_numpy_and_others_stay(seed, height, numbers):
    table = np.random.default_rng(seed + 1).normal(size=(height, 3)).astype("float32")
    batches = random_batches(seed, height, numbers)
    after = trained(LazyAdam(0.01), table, batches)
    np.testing.assert_allclose(after, row_by_row(table, batches), rtol=1e-4, atol=1e-5)
    touched = np.unique(np.concatenate([rows for rows, _ in batches]))
    np.testing.assert_array_equal(np.delete(after, touched, 0), np.delete(table, touched, 0))


@pytest.mark.parametrize("schedule", [False, True])
def test_equals_fused_adam_where_every_row_is_touched(schedule):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(5, 3)).astype("float32")
    orders = [rng.permutation(np.r_[0:5, 0:5, rng.integers(0, 5, 4)]) for _ in range(6)]
    batches = [(rows, rng.normal(size=(len(rows), 3)).astype("float32")) for rows in orders]
    beta_1 = keras.optimizers.schedules.PolynomialDecay(0.95, 6, 0.8) if schedule else 0.9
    lazy, fused = (trained(kind(0.01, beta_1), table, batches) for kind in (LazyAdam, FusedAdam))
    np.testing.assert_allclose(lazy, fused, rtol=1e-6, atol=1e-6)


def test_clipping_sees_the_sum_of_a_repeated_row():
    table = np.ones((4, 3), "float32")
    batches = random_batches(3, 4, [6, 2, 8])
    after = trained(LazyAdam(0.01, global_clipnorm=0.5), table, batches)
    np.testing.assert_allclose(after, row_by_row(table, batches, clip=0.5), rtol=1e-5)
    by_norm = trained(LazyAdam(0.01, clipnorm=0.5), table, batches)
    np.testing.assert_allclose(by_norm, after, rtol=1e-6)  # of one variable both are the same


@pytest.mark.parametrize("kind", [FusedAdam, LazyAdam])
def test_a_global_norm_of_slices_and_dense_gradients(kind):
    rows, parts = np.array([1, 1, 2]), np.array([[3.0, 0, 0], [1, 0, 0], [0, 2, 0]], "float32")
    dense = np.full((2, 2), 2.0, "float32")
    norm = np.sqrt(16 + 4 + 16)
    optimizer = kind(0.01, global_clipnorm=1.0)
    sparse_clipped, dense_clipped = optimizer._clip_gradients([slices(rows, parts, (4, 3)), tf.constant(dense)])
    assert isinstance(sparse_clipped, tf.IndexedSlices)
    np.testing.assert_allclose(dense_clipped, dense / norm, rtol=1e-6)
    expected = np.zeros((4, 3))
    expected[1, 0], expected[2, 1] = 4 / norm, 2 / norm
    np.testing.assert_allclose(tf.convert_to_tensor(sparse_clipped), expected, rtol=1e-6)


@pytest.mark.parametrize("arguments", [{}, {"amsgrad": True}])
def test_dense_gradients_and_amsgrad_are_fused_adams(arguments):
    table = np.ones((4, 3), "float32")
    gradients = np.random.default_rng(0).normal(size=(3, 4, 3)).astype("float32")
    results = []
    for kind in (LazyAdam, FusedAdam):
        dense, sparse = keras.Variable(table), keras.Variable(table)
        optimizer = kind(0.01, **arguments)
        for gradient in gradients:
            both = [tf.constant(gradient), slices(range(4), gradient, (4, 3))]
            optimizer.apply(both, [dense, sparse])
        results += [dense.numpy(), sparse.numpy()]
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=1e-6)


def test_no_row_at_all_and_half_precision_gradients():
    table = np.ones((4, 3), "float32")
    assert np.array_equal(trained(LazyAdam(0.01), table, [([], np.zeros((0, 3)))]), table)
    variable = keras.Variable(table)
    half = tf.IndexedSlices(tf.ones([1, 3], tf.float16), tf.constant([2]), tf.constant([4, 3]))
    LazyAdam(0.01).apply([half], [variable])
    np.testing.assert_allclose(variable.numpy()[2], 0.99, rtol=1e-5)


@pytest.mark.parametrize("name", ["TextCNN", "MultiWidthTextCNN", "BagOfWordsMLP"])
def test_words_outside_the_batch_stay_in_a_text_network(name):
    data = tfconv.data.synthetic_reviews(60, seed=1).prepare(batch_size=8, length=20, seed=2)
    model = getattr(tfconv.models, name)(len(data.preprocess.vocabulary), embedding_dim=6)
    before = next(w.numpy() for w in model.trainable_variables if w.name == "embeddings")
    batch = data.train.at_epoch(0).take(3)
    fit(model, batch, optimizer=LazyAdam(0.01, global_clipnorm=1.0), epochs=3, verbose=0)
    after = next(w.numpy() for w in model.trainable_variables if w.name == "embeddings")
    seen = np.unique(np.concatenate([ids.numpy().ravel() for ids, _ in batch]))
    unseen = np.setdiff1d(np.arange(len(before)), seen)
    assert len(unseen) > 5
    np.testing.assert_array_equal(after[unseen], before[unseen])
    assert (after[seen] != before[seen]).any(axis=1).mean() > 0.5


def test_two_replicas_equal_one(two_replicas):
    x, y = np.random.default_rng(0).integers(1, 9, (4, 6)), np.array([0, 1, 1, 0])
    results = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        keras.utils.set_random_seed(0)
        with strategy.scope():
            model = keras.Sequential([keras.layers.Embedding(30, 4), keras.layers.Flatten(), keras.layers.Dense(1)])
            model.build((None, 6))
            model.compile(LazyAdam(0.01), keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False)
        fit(model, tf.data.Dataset.from_tensors((x, y[:, None])), epochs=4, strategy=strategy, verbose=0)
        results.append(model.get_weights())
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


def test_saved_with_its_model(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Embedding(5, 2), keras.layers.Flatten()])
    model.compile(LazyAdam(0.02, beta_1=0.8), "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 6)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is LazyAdam and loaded.optimizer.beta_1 == 0.8
    for one in (model, loaded):
        one.fit(np.ones((4, 3)), np.ones((4, 6)), verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], loaded.get_weights()[0], rtol=1e-6)
