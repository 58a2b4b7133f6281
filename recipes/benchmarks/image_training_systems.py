"""The systems of `image_training.py`, one a process: the same networks in tfconv, in Keras' own layers, in PyTorch.

    python image_training_systems.py SYSTEM NETWORK PRECISION BATCHES.npz

All train with cross-entropy and Adam 1e-3 on the batches of the file, in its order. The networks:

- alexnet: 3 x 3 convolutions 48-128-192-192-128, three max poolings by 3, 1024-1024-10, dropout 0.5.
- six: 3 x 3 convolutions 32-32-64-64-128-128, batch norm and ReLU after each, max pooling by 2 after every second,
  mean, 10. tfconv takes the maximum before the ReLU, which is the same function.
- resnet20: He et al. 2016, section 4.2, with padded shortcuts.
"""

import sys
import time
from typing import Any

import numpy as np
from side_by_side import answer_turns, keras_turns

EVER = 1_000_000
THREADS = 2
SIX = (32, 32, 64, 64, 128, 128)
ALEXNET = (48, 128, 192, 192, 128)


def train_with_keras_loop(system: str, network: str, precision: str, images: np.ndarray, labels: np.ndarray) -> None:
    """`tfconv.training.fit` or `model.fit`: one call, an epoch a turn."""
    from tfconv import runtime

    # Keras fit runs as TensorFlow starts by itself, tfconv with what it sets for images.
    runtime.configure("images" if system == "tfconv" else "text", threads=THREADS)
    import keras
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((images, labels)).prefetch(tf.data.AUTOTUNE)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    metrics = [keras.metrics.SparseCategoricalAccuracy()]
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    if system == "tfconv":
        from tfconv import training

        training.fit(
            tfconv_model(network, policy),
            data,
            epochs=EVER,
            optimizer=training.FusedAdam(),
            loss=loss,
            metrics=metrics,
            callbacks=[keras_turns()],
            verbose=0,
        )
    keras.config.set_dtype_policy(policy)
    model = stock_model(network)
    model.compile("adam", loss=loss, metrics=metrics)
    model.fit(data, epochs=EVER, callbacks=[keras_turns()], verbose=0)


def tfconv_model(network: str, policy: str) -> Any:
    """The network in tfconv's layers."""
    import keras

    from tfconv import layers, models

    if network == "alexnet":
        return models.MiniAlexNet(dtype=policy)
    if network == "resnet20":
        return models.resnet20(dtype=policy)
    x = given = keras.Input((32, 32, 3))
    for i, filters in enumerate(SIX):
        x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, dtype=policy)(x)
        x = layers.BatchNorm(dtype=policy)(x)
        if i % 2:
            x = keras.layers.MaxPooling2D(dtype=policy)(x)
        x = keras.layers.ReLU(dtype=policy)(x)
    x = keras.layers.GlobalAveragePooling2D(dtype=policy)(x)
    return keras.Model(given, keras.layers.Dense(10, dtype="float32")(x))


def stock_model(network: str) -> Any:
    """The network in layers that Keras has."""
    import keras
    from keras import layers

    def convolution(x: Any, filters: int, strides: int = 1) -> Any:
        x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    x = given = keras.Input((32, 32, 3))
    if network == "alexnet":
        for i, filters in enumerate(ALEXNET):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
            if i in (0, 1, 4):
                x = layers.MaxPooling2D(3)(x)
        x = layers.Flatten()(x)
        for _ in range(2):
            x = layers.Dropout(0.5)(layers.Dense(1024, activation="relu")(x))
    elif network == "six":
        for i, filters in enumerate(SIX):
            x = layers.ReLU()(convolution(x, filters))
            if i % 2:
                x = layers.MaxPooling2D()(x)
        x = layers.GlobalAveragePooling2D()(x)
    else:
        x = layers.ReLU()(convolution(x, 16))
        for i, filters in enumerate((16, 16, 16, 32, 32, 32, 64, 64, 64)):
            strides = 2 if i in (3, 6) else 1
            y = convolution(layers.ReLU()(convolution(x, filters, strides)), filters)
            if strides == 2:  # every second pixel, and zeros for the new channels
                x = layers.AveragePooling2D(1, 2)(x)
                x = layers.Concatenate()([x, keras.ops.zeros_like(x)])
            x = layers.ReLU()(layers.Add()([x, y]))
        x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(given, layers.Dense(10, dtype="float32")(x))


def train_with_torch(network: str, precision: str, images: np.ndarray, labels: np.ndarray) -> None:
    """A plain loop on channels-last tensors."""
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)

    class Block(nn.Module):
        def __init__(self, channels: int, filters: int, strides: int) -> None:
            super().__init__()
            self.first, self.second = normalized(channels, filters, strides), normalized(filters, filters, 1)
            self.strides = strides

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.second(torch.relu(self.first(x)))
            if self.strides == 2:
                x = x[:, :, ::2, ::2]
                x = torch.cat([x, torch.zeros_like(x)], dim=1)
            return torch.relu(x + y)

    def normalized(channels: int, filters: int, strides: int) -> nn.Module:
        convolution = nn.Conv2d(channels, filters, 3, stride=strides, padding=1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(filters))

    parts: list[nn.Module] = []
    channels = 3
    if network == "alexnet":
        for i, filters in enumerate(ALEXNET):
            parts += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(inplace=True)]
            parts += [nn.MaxPool2d(3)] if i in (0, 1, 4) else []
            channels = filters
        parts.append(nn.Flatten())
        for _ in range(2):
            parts += [nn.Linear(channels, 1024), nn.ReLU(inplace=True), nn.Dropout(0.5)]
            channels = 1024
    elif network == "six":
        for i, filters in enumerate(SIX):
            parts += [normalized(channels, filters, 1), nn.ReLU(inplace=True)]
            parts += [nn.MaxPool2d(2)] if i % 2 else []
            channels = filters
    else:
        parts, channels = [normalized(3, 16, 1), nn.ReLU(inplace=True)], 16
        for i, filters in enumerate((16, 16, 16, 32, 32, 32, 64, 64, 64)):
            parts.append(Block(channels, filters, 2 if i in (3, 6) else 1))
            channels = filters
    if network != "alexnet":
        parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    model = nn.Sequential(*parts, nn.Linear(channels, 10)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    loss_of = nn.CrossEntropyLoss()
    # A batch (n, h, w, c) seen as (n, c, h, w) is channels-last as it lies in memory.
    batches = [
        (torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(y).long())
        for x, y in zip(images, labels, strict=True)
    ]

    def epoch() -> float:
        begin = time.perf_counter()
        total, right = torch.zeros(()), torch.zeros(())
        for x, y in batches:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                logits = model(x)
                loss = loss_of(logits, y)
            loss.backward()
            optimizer.step()
            total += loss.detach()
            right += (logits.argmax(dim=1) == y).sum()
        _ = total.item(), right.item()
        return time.perf_counter() - begin

    answer_turns(epoch)


if __name__ == "__main__":
    system, network, precision, batches_file = sys.argv[1:]
    with np.load(batches_file) as arrays:
        arguments = network, precision, arrays["images"], arrays["labels"]
    if system == "torch":
        train_with_torch(*arguments)
    else:
        train_with_keras_loop(system, *arguments)
