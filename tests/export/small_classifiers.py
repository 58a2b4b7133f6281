"""Small classifiers for the export tests, of stock Keras layers or of ours."""

import keras
import numpy as np
import tensorflow as tf

from tfconv.data.text import TextPreprocess, Tokenizer, Vocabulary

WORDS = ["good", "bad", "film", "not", "at", "all", "great", "awful", "日本", "don't"]


def preprocess(names=("neg", "pos"), *, words=WORDS, length=12, multi_label=False, level="word"):
    return TextPreprocess(Tokenizer(level), Vocabulary(words), length, class_names=names, multi_label=multi_label)


def stock_model(classes=1, *, length=None, seed=0, size=13, dtype=None):
    keras.utils.set_random_seed(seed)
    ids = keras.Input((length,), dtype="int32")
    wide = keras.initializers.RandomNormal(stddev=2.0)
    x = keras.layers.Embedding(size, 6, dtype=dtype, mask_zero=True, embeddings_initializer=wide)(ids)
    x = keras.layers.GlobalAveragePooling1D(dtype=dtype)(x)
    return keras.Model(ids, keras.layers.Dense(classes, dtype="float32")(x))


def by_hand(model, prepare, texts, multi_label=False):
    """Probabilities of each text by itself, written out in float64."""
    rows = []
    for text in texts:
        z = model(prepare(tf.constant([text])), training=False).numpy()[0].astype(np.float64)
        if multi_label:
            rows.append(1 / (1 + np.exp(-z)))
        elif len(z) == 1:
            rows.append([1 / (1 + np.exp(z[0])), 1 / (1 + np.exp(-z[0]))])
        else:
            rows.append(np.exp(z - z.max()) / np.exp(z - z.max()).sum())
    return np.array(rows)
