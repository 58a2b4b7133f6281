"""The systems of `text_training.py`, one a process: the same networks in tfconv, in Keras' own layers, in PyTorch.

    python text_training_systems.py SYSTEM NETWORK BATCHES.npz THREADS

Every system gets the batches of the file in the file's order, and trains on all of them in each turn: embedding,
windows of 3, 4 and 5 words with 100 filters each, ReLU, maximum over time, dropout 0.5, one logit ("cnn"), or one
weight a word ("linear"); binary cross-entropy, Adam 1e-3, running loss and accuracy.
"""

import sys
import time
from typing import Any

import numpy as np
from side_by_side import answer_turns, keras_turns

VOCABULARY, EMBEDDING, FILTERS, WIDTHS, DROPOUT = 30_000, 300, 100, (3, 4, 5), 0.5
EVER = 1_000_000


def train_with_keras_loop(system: str, network: str, ids: np.ndarray, labels: np.ndarray, threads: int) -> None:
    """`tfconv.training.fit` or `model.fit`: one call, an epoch a turn."""
    from tfconv import runtime

    runtime.configure("text", threads=threads)
    import keras
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(threads)

    data = tf.data.Dataset.from_tensor_slices((ids, labels[..., None])).prefetch(tf.data.AUTOTUNE)
    loss, metrics = keras.losses.BinaryCrossentropy(from_logits=True), [keras.metrics.BinaryAccuracy(threshold=0)]
    if system == "tfconv":
        from tfconv import models, training

        network_class = {"cnn": models.MultiWidthTextCNN, "linear": models.BagOfWordsLinear}[network]
        training.fit(
            network_class(VOCABULARY),
            data,
            epochs=EVER,
            optimizer=training.FusedAdam(),
            loss=loss,
            metrics=metrics,
            callbacks=[keras_turns()],
            verbose=0,
        )
    model = stock_model(system, network)
    steps = 32 if system == "keras-32" else 1
    model.compile("adam", loss=loss, metrics=metrics, steps_per_execution=steps)
    model.fit(data, epochs=EVER, callbacks=[keras_turns()], verbose=0)


def stock_model(system: str, network: str) -> Any:
    """The network in layers that Keras has."""
    import keras
    from keras import layers

    words = keras.Input((None,), dtype="int32")
    if network == "linear":
        if system == "keras-counts":
            return keras.Model(words, layers.Dense(1)(layers.CategoryEncoding(VOCABULARY, output_mode="count")(words)))
        weights = layers.Embedding(VOCABULARY, 1, embeddings_initializer="zeros")(words)
        return keras.Model(words, layers.GlobalAveragePooling1D()(weights))
    x = layers.Embedding(VOCABULARY, EMBEDDING)(words)
    maxima = [
        layers.GlobalMaxPooling1D()(layers.Conv1D(FILTERS, width, padding="same", activation="relu")(x))
        for width in WIDTHS
    ]
    x = layers.Dropout(DROPOUT)(layers.Concatenate()(maxima))
    return keras.Model(words, layers.Dense(1)(x))


def train_with_torch(network: str, ids: np.ndarray, labels: np.ndarray, threads: int) -> None:
    """A plain loop."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)

    class TextCNN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, EMBEDDING)
            self.convolutions = nn.ModuleList(nn.Conv1d(EMBEDDING, FILTERS, w, padding=w // 2) for w in WIDTHS)
            self.dropout = nn.Dropout(DROPOUT)
            self.logits = nn.Linear(FILTERS * len(WIDTHS), 1)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            # The fastest of five ways to write it: contiguous input, and the maximum before the activation.
            x = self.embedding(ids).transpose(1, 2).contiguous()
            maxima = [torch.relu(convolution(x).max(dim=2).values) for convolution in self.convolutions]
            return self.logits(self.dropout(torch.cat(maxima, dim=1)))

    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.EmbeddingBag(VOCABULARY, 1, mode="sum")
            self.bias = nn.Parameter(torch.zeros(1))

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.weights(ids) + self.bias

    model = {"cnn": TextCNN, "linear": Linear}[network]()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    loss_of = nn.BCEWithLogitsLoss()
    batches = [(torch.from_numpy(x).long(), torch.from_numpy(y)[:, None]) for x, y in zip(ids, labels, strict=True)]

    def epoch() -> float:
        begin = time.perf_counter()
        total, right = torch.zeros(()), torch.zeros(())
        for x, y in batches:
            optimizer.zero_grad()
            logits = model(x)
            loss = loss_of(logits, y)
            loss.backward()
            optimizer.step()
            total += loss.detach()
            right += ((logits > 0) == (y > 0.5)).sum()
        _ = total.item(), right.item()
        return time.perf_counter() - begin

    answer_turns(epoch)


if __name__ == "__main__":
    system, network, batches_file, thread_count = sys.argv[1:]
    with np.load(batches_file) as arrays:
        arguments = network, arrays["ids"], arrays["labels"], int(thread_count)
    if system.startswith("torch"):
        train_with_torch(*arguments)
    else:
        train_with_keras_loop(system, *arguments)
