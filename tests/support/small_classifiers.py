"""Small classifiers for the export tests, of stock Keras layers or of ours."""

import io

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from tfconv.data import TextPreprocess, Tokenizer, Vocabulary
from tfconv.data.image.preprocess import ImagePreprocess
from tfconv.tasks import CLASSIFICATION

WORDS = ["good", "bad", "film", "not", "at", "all", "great", "awful", "日本", "don't"]


def preprocess(names=("neg", "pos"), *, words=WORDS, length=12, task=CLASSIFICATION, level="word"):
    return TextPreprocess(Tokenizer(level), Vocabulary(words), length, class_names=names, task=task)


def stock_model(classes=1, *, length=None, seed=0, size=13, dtype=None):
    keras.utils.set_random_seed(seed)
    ids = keras.Input((length,), dtype="int32")
    wide = keras.initializers.RandomNormal(stddev=2.0)
    x = keras.layers.Embedding(size, 6, dtype=dtype, mask_zero=True, embeddings_initializer=wide)(ids)
    x = keras.layers.GlobalAveragePooling1D(dtype=dtype)(x)
    return keras.Model(ids, keras.layers.Dense(classes, dtype="float32")(x))


def image_preprocess(names=("neg", "pos"), *, size=20, crop=16, **options):
    statistics = {} if options.get("channels") == 1 else {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3)}
    return ImagePreprocess(size, crop=crop, class_names=names, **statistics, **options)


def image_model(classes=1, *, shape=(16, 16, 3), seed=0, dtype=None):
    keras.utils.set_random_seed(seed)
    pixels = keras.Input(shape)
    wide = keras.initializers.RandomNormal(stddev=1.0)
    x = keras.layers.Conv2D(4, 5, strides=3, activation="relu", kernel_initializer="he_normal", dtype=dtype)(pixels)
    x = keras.layers.Flatten(dtype=dtype)(x)
    return keras.Model(pixels, keras.layers.Dense(classes, kernel_initializer=wide, dtype="float32")(x))


def image(form="PNG", mode="RGB", size=(23, 31), seed=0):
    """Encode an image of height and width `size`, smooth, with all levels in it."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 4), dtype=np.uint8)
    drawn = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
    file = io.BytesIO()
    drawn.convert("RGB" if mode == "P" else mode).convert(mode).save(file, form)
    return file.getvalue()


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
