"""A first convolution whose kernel is computed from the training images."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tfconv.errors import InputError
from tfconv.layers.configured import configured

__all__ = ["WhiteningConv2D"]

# Variances below this fraction of the largest count as zero. The smallest of CIFAR-10's twelve is 1.2e-5 of the
# largest; the zero variances of grey images in three equal channels come out below 1e-15.
_EMPTY = 1e-7


def patch_covariance(images: np.ndarray, size: int) -> np.ndarray:
    """Return E[p p^T] over all patches p of size x size pixels, float64, with rows and columns in a kernel's order.

    The mean is not subtracted, since images are expected to be normalised and the layer has a bias.
    """
    count, height, width, channels = images.shape
    shifted = [
        images[:, i : height - size + 1 + i, j : width - size + 1 + j].reshape(-1, channels)
        for i in range(size)
        for j in range(size)
    ]
    products = [[np.matmul(a.T, b, dtype="float64") for b in shifted] for a in shifted]
    return np.block(products) / len(shifted[0])


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class WhiteningConv2D(keras.layers.Layer):
    """Convolution that whitens the image's patches: its outputs are uncorrelated and of equal variance.

    y = [W p, -W p] + b for every patch p of kernel_size x kernel_size pixels
    W = diag(v + epsilon)^(-1/2) V^T, where E[p p^T] = V diag(v) V^T over the patches of the images given to `adapt`

    Neighbouring pixels are nearly equal, so that their differences, which carry the information, are small inputs of a
    network. Whitening scales them to the size of the mean. The kernel is not trained, the bias is. Before `adapt`, W is
    the identity, which whitens pixels that are uncorrelated and of unit variance. The kernel is a weight and saved with
    the model.

    A direction in which patches do not vary (eight of twelve for grey images in three equal channels) gets a filter of
    zeros, since it would only amplify rounding errors. Under a 16-bit policy the kernel is rounded to 16 bits, so that
    a float32 copy of the model gives the same outputs.

    Args:
        kernel_size: Rows and columns of a patch.
        epsilon: Number added to the variances, so that directions in which patches hardly vary are not amplified.
        use_bias: Whether each filter has a trained bias, initially 0.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, height, width, channels).
    Output shape: (batch, height - kernel_size + 1, width - kernel_size + 1, 2 channels kernel_size^2).

    Raises:
        ValueError: `kernel_size` below 1, or `epsilon` not above 0.

    Reference: Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, section 3.1; after Page, "How to Train
        Your ResNet 8: Bag of Tricks", 2019.
    """

    def __init__(self, kernel_size: int = 2, *, epsilon: float = 5e-4, use_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if kernel_size < 1:
            raise ValueError(f"kernel_size must be at least 1. Received: kernel_size={kernel_size}")
        if epsilon <= 0:
            raise ValueError(f"epsilon must be above 0. Received: epsilon={epsilon}")
        self.kernel_size = kernel_size
        self.epsilon = epsilon
        self.use_bias = use_bias

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Create the kernel and the bias."""
        size, channels = self.kernel_size, input_shape[-1]
        values = size * size * channels
        self.kernel = self.add_weight(
            shape=(size, size, channels, 2 * values),
            initializer=lambda shape, dtype: ops.convert_to_tensor(self._both(np.eye(values), shape), dtype=dtype),
            trainable=False,
            name="kernel",
        )
        self.bias = self.add_weight(shape=(2 * values,), initializer="zeros", name="bias") if self.use_bias else None

    @staticmethod
    def _both(filters: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return the kernel of the filters, one per column, and of their negatives."""
        return np.concatenate([filters, -filters], axis=1).reshape(shape)

    def adapt(self, images: Any) -> None:
        """Compute the kernel from images; a few thousand are enough for patches of 2 x 2.

        Args:
            images: Float (n, height, width, channels), normalised as in training.

        Raises:
            InputError: images of another shape, smaller than a patch, or with NaN or infinite values.
        """
        images = np.asarray(ops.convert_to_numpy(images), "float32")
        if images.ndim != 4 or 0 in images.shape or min(images.shape[1:3]) < self.kernel_size:
            raise InputError(
                f"adapt needs images (n, height, width, channels) of at least {self.kernel_size} x "
                f"{self.kernel_size} pixels, got an array of shape {images.shape}"
            )
        if not self.built:
            self.build(images.shape)
        if images.shape[-1] != self.kernel.shape[2]:
            raise InputError(
                f"layer {self.name!r} was built for {self.kernel.shape[2]} channels, the images given to adapt have "
                f"{images.shape[-1]}: give them as in training"
            )
        if not np.all(np.isfinite(images)):
            raise InputError("the images given to adapt contain NaN or infinite values: check their normalisation")
        variances, directions = np.linalg.eigh(patch_covariance(images, self.kernel_size))
        filters = directions[:, ::-1] / np.sqrt(np.maximum(variances[::-1], 0) + self.epsilon)  # largest variance first
        filters[:, variances[::-1] <= _EMPTY * variances[-1]] = 0
        kernel = ops.convert_to_tensor(self._both(filters, self.kernel.shape), "float32")
        self.kernel.assign(ops.cast(ops.cast(kernel, self.compute_dtype), "float32"))

    def call(self, inputs: Any) -> Any:
        """Return the whitened patches and their negatives, (batch, new height, new width, filters)."""
        outputs = ops.conv(inputs, self.kernel, padding="valid", data_format="channels_last")
        return outputs if self.bias is None else outputs + self.bias

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[int | None, ...]:
        """Return (batch, new height, new width, filters)."""
        batch, *sides, channels = input_shape
        size = self.kernel_size
        return (batch, *(None if side is None else side - size + 1 for side in sides), 2 * size * size * channels)
