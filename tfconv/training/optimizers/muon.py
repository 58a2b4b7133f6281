"""Muon, for convolution kernels as well as matrices."""

import math
import re
from typing import Any

import keras
import tensorflow as tf

__all__ = ["Muon"]


@keras.saving.register_keras_serializable(package="tfconv")
class Muon(keras.optimizers.Muon):
    """`keras.optimizers.Muon`, which orthogonalises the momentum of matrices, also for kernels of convolutions.

    m = momentum m + g; u = g + momentum m (Nesterov); W -= learning_rate rms_rate sqrt(max(rows, columns)) U V^T

    where U S V^T is the singular value decomposition of u as a matrix. A kernel (height, width, in, out), or (width,
    in, out), is the matrix (height width in, out): one column an output. U V^T is approximated by `ns_steps`
    Newton-Schulz steps X = 3.4445 X + (-4.775 A + 2.0315 A A) X, A = X X^T, from X = u / |u|, five of which bring every
    singular value above 0.002 |u| to between 0.68 and 1.21. The factor of the learning rate gives the step's numbers a
    root mean square of about `rms_rate`, as Adam's have, so that one learning rate serves both.

    Adam updates everything else: biases, normalisation weights, embeddings, kernels of one output or one input, and
    variables whose path one of `exclude_layers` matches, such as a classifier's last layer. Keras uses Adam for all
    kernels of convolutions, and for all variables of a layer that has "embedding" in its name; here the variable's own
    name decides. Weight decay is decoupled.

    Args:
        *args: Of `keras.optimizers.Muon`: learning_rate, and settings of Adam (`adam_...`, `epsilon`).
        **kwargs: Of `keras.optimizers.Muon`: momentum, nesterov, ns_steps, exclude_layers (regular expressions that
            are searched in paths such as "logits/kernel"), exclude_embeddings, rms_rate, weight_decay,
            adam_weight_decay (both 0.004), and those of every optimizer.

    References: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024 (the method, the
        coefficients, kernels as matrices); Liu et al., "Muon is Scalable for LLM Training", 2025, equation 4 (the
        factor).
    """

    def _should_use_adamw(self, variable: Any) -> bool:
        shape = tuple(variable.shape)
        if len(shape) < 2 or shape[-1] == 1 or math.prod(shape[:-1]) == 1:
            return True
        if self.exclude_embeddings and "embedding" in variable.path.rsplit("/", 1)[-1].lower():
            return True
        return any(re.search(pattern, variable.path) for pattern in self.exclude_layers)

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:
        gradient = tf.cast(tf.convert_to_tensor(gradient), variable.dtype)
        self.assign(m, self.momentum * m + gradient)
        step = gradient + self.momentum * m if self.nesterov else tf.convert_to_tensor(m)
        step = self.zeropower_via_newtonschulz5(tf.reshape(step, [-1, variable.shape[-1]]), self.ns_steps)
        step = tf.cast(lr, variable.dtype) * self.lr_adjust(step)
        self.assign_sub(variable, tf.reshape(step, variable.shape))

    def _adamw_update_step(self, gradient: Any, variable: Any, learning_rate: Any, m: Any, v: Any) -> None:
        # As a tensor: Keras squares the parts of a row that occurs several times in IndexedSlices, not their sum.
        super()._adamw_update_step(tf.convert_to_tensor(gradient), variable, learning_rate, m, v)
