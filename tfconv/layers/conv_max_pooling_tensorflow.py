"""The TensorFlow kernels of convolution with global max pooling, whose gradients visit the maxima only."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

__all__ = ["largest_response", "largest_sums", "largest_word_responses"]

_CHUNK = 12_288  # windows whose scores are in memory at once, some 25 MB with 500 filters: the next cache level's size


def largest_response(x: tf.Tensor, kernel: tf.Tensor, counted: tf.Tensor | None) -> tf.Tensor:
    """Return max over t of (x * kernel)[t], of shape (batch, filters); 0 if no window takes part.

    The gradient is exact and sparse: only the window of the maximum has one (of equal ones the first), so that the
    backward pass gathers `filters` windows per text in place of two convolutions.

    Args:
        x: (batch, steps, channels), already padded.
        kernel: (width, channels, filters), of x's dtype.
        counted: Bool (batch, steps - width + 1), the windows that take part in the maximum; None: all.
    """
    lowest = tf.constant(-float("inf"), x.dtype)

    @tf.custom_gradient
    def response(x: tf.Tensor, kernel: tf.Tensor):  # noqa: ANN202
        scores = tf.nn.conv1d(x, kernel, stride=1, padding="VALID")
        if counted is not None:
            scores = tf.where(tf.expand_dims(counted, 2), scores, lowest)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return _gradient(x, kernel, tf.argmax(scores, axis=1, output_type=tf.int32), upstream)

        return tf.reduce_max(scores, axis=1), gradient

    best = response(x, tf.convert_to_tensor(kernel))
    return tf.where(best == lowest, tf.zeros([], best.dtype), best)


def _gradient(x: tf.Tensor, kernel: tf.Tensor, position: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the gradients of x and kernel, where `position` (batch, filters) is the window of each maximum."""
    batch, steps = tf.shape(x)[0], tf.shape(x)[1]
    width, channels, filters = kernel.shape
    start = tf.transpose(position + tf.range(batch)[:, None] * steps)  # (filters, batch)
    rows = start[:, :, None] + tf.range(width)  # (filters, batch, width)
    windows = tf.reshape(tf.gather(tf.reshape(x, [-1, channels]), rows), [filters, batch, width * channels])
    weight = tf.transpose(upstream)  # (filters, batch)
    kernel_rows = tf.matmul(weight[:, None, :], windows)  # (filters, 1, width * channels)
    kernel_gradient = tf.transpose(tf.reshape(kernel_rows, [filters, width, channels]), [1, 2, 0])
    contributions = weight[:, :, None, None] * tf.transpose(kernel, [2, 0, 1])[:, None]
    x_gradient = tf.math.unsorted_segment_sum(contributions, rows, batch * steps)
    return tf.reshape(x_gradient, tf.shape(x)), kernel_gradient


def largest_word_responses(
    ids: tf.Tensor,
    real: tf.Tensor,
    counted: Sequence[tf.Tensor],
    embeddings: Any,
    kernels: Sequence[tf.Tensor],
    padding: str,
) -> tf.Tensor:
    """Return the maxima over time of convolutions over embedded ids, (batch, len(kernels) * filters).

    All taps of all kernels are applied to each distinct id in one matrix product. A window's score is the sum of its
    words' rows of that product. A window that takes no part is replaced by the first one that does, which does not
    change the maximum.

    Args:
        ids: Int32 (batch, steps).
        real: Bool (batch, steps), False where the word vector is replaced by zeros.
        counted: For each kernel bool (batch, steps), the windows that take part.
        embeddings: The `tf.Variable` itself, (vocabulary, channels), since reading it would copy it.
        kernels: For each width (width, channels, filters), in the compute dtype.
        padding: "same" or "valid".
    """
    widths = [int(kernel.shape[0]) for kernel in kernels]
    befores = [(width - 1) // 2 if padding == "same" else 0 for width in widths]
    left, right = max(befores), max(width - 1 - before for width, before in zip(widths, befores, strict=True))
    batch, steps = tf.shape(ids)[0], tf.shape(ids)[1]
    padded = tf.pad(tf.where(real, ids, -1), ((0, 0), (left, right)), constant_values=-1)
    words, word = tf.unique(tf.reshape(padded, [-1]))  # word: of each padded step, its row in words
    line = tf.expand_dims(tf.range(batch), 1) * (left + steps + right)
    starts = []
    for windows, before in zip(counted, befores, strict=True):
        one_more = tf.pad(windows, ((0, 0), (0, 1)))  # argmax refuses a batch of no steps
        first = tf.expand_dims(tf.argmax(tf.cast(one_more, tf.int32), axis=1, output_type=tf.int32), 1)
        starts.append(tf.where(windows, tf.range(steps), first) + line + (left - before))
    vectors = tf.cast(tf.gather(embeddings, tf.maximum(words, 0)), kernels[0].dtype)
    vectors = tf.where(tf.expand_dims(words, 1) >= 0, vectors, tf.zeros([], vectors.dtype))
    taps, channels, filters = sum(widths), int(kernels[0].shape[1]), int(kernels[0].shape[2])
    matrix = tf.reshape(tf.transpose(tf.concat(kernels, axis=0), [1, 0, 2]), [channels, taps * filters])
    offsets = [sum(widths[:index]) for index in range(len(widths))]

    @tf.custom_gradient
    def responses(vectors: tf.Tensor, matrix: tf.Tensor):  # noqa: ANN202
        rows = tf.reshape(tf.matmul(vectors, matrix), [-1, filters])
        scores = [
            tf.add_n([tf.gather(rows, tf.gather(word, start + k) * taps + (offset + k)) for k in range(width)])
            for start, width, offset in zip(starts, widths, offsets, strict=True)
        ]

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            cells, values = [], []
            parts = tf.split(upstream, len(widths), axis=1)
            for score, start, width, offset, part in zip(scores, starts, widths, offsets, parts, strict=True):
                best = tf.gather(start, tf.argmax(score, axis=1, output_type=tf.int32), batch_dims=1)
                for k in range(width):
                    cells.append((tf.gather(word, best + k) * taps + (offset + k)) * filters + tf.range(filters))
                    values.append(part)
            count = tf.size(words) * (taps * filters)
            product = tf.math.unsorted_segment_sum(tf.stack(values), tf.stack(cells), count)
            product = tf.reshape(product, [-1, taps * filters])
            return tf.matmul(product, matrix, transpose_b=True), tf.matmul(vectors, product, transpose_a=True)

        return tf.concat([tf.reduce_max(score, axis=1) for score in scores], axis=1), gradient

    best = responses(vectors, matrix)
    return tf.where(best == tf.constant(-float("inf"), best.dtype), tf.zeros([], best.dtype), best)


def largest_sums(
    kernel: Any, rows: tf.Tensor, counted: Sequence[tf.Tensor], dtype: str, *, training: bool
) -> tf.Tensor:
    """Return the maxima, over each block's windows, of sums of rows: (batch, blocks * filters); 0 without a window.

    Args:
        kernel: the `tf.Variable` itself, (rows, filters); row 0 has no gradient.
        rows: int32 (batch, windows, width), the rows that are summed.
        counted: for each block bool (batch, windows).
        dtype: of the sums.
        training: gather rows from the variable and not from what is read of it: an optimizer that updates it while
            that is held copies it whole. An exported graph has no variable to gather from.
    """
    if tf.distribute.in_cross_replica_context() and isinstance(kernel, tf.distribute.DistributedValues):
        kernel = kernel.values[0]  # the copies are equal
    filters, width = int(kernel.shape[1]), int(rows.shape[2])
    batch = tf.shape(rows)[0]

    @tf.custom_gradient
    def largest(table: tf.Tensor):  # noqa: ANN202
        def gather(index: tf.Tensor) -> tf.Tensor:
            if table.dtype != tf.resource:
                return tf.gather(table, index)
            found = tf.raw_ops.ResourceGather(resource=table, indices=index, dtype=kernel.dtype)
            return tf.ensure_shape(found, [None, None, filters])

        best, position = _maxima(gather, filters, rows, counted, dtype, training=training)

        def gradient(upstream: tf.Tensor) -> tf.IndexedSlices:
            touched = tf.gather(rows, position, batch_dims=1)  # (batch, blocks * filters, width)
            values = tf.repeat(tf.where(best > best.dtype.min, upstream, 0)[:, :, None], width, axis=2)
            distinct, place = tf.unique(tf.reshape(touched, [-1]))
            column = tf.range(len(counted) * filters) % filters
            cells = tf.reshape(place, [batch, -1, width]) * filters + column[None, :, None]
            summed = tf.math.unsorted_segment_sum(tf.cast(values, kernel.dtype), cells, tf.size(distinct) * filters)
            summed = tf.reshape(summed, [-1, filters])
            summed *= tf.cast(distinct > 0, kernel.dtype)[:, None]
            return tf.IndexedSlices(summed, distinct, tf.constant(kernel.shape.as_list()))

        return best, gradient

    if training:
        tf.gather(kernel, tf.zeros([0], tf.int32))  # tapes watch variables that are read; a handle alone is not seen
    best = largest(kernel.handle if training else tf.convert_to_tensor(kernel))
    return tf.where(best == best.dtype.min, tf.zeros([], best.dtype), best)


def _maxima(
    gather: Callable[[tf.Tensor], tf.Tensor],
    filters: int,
    rows: tf.Tensor,
    counted: Sequence[tf.Tensor],
    dtype: str,
    *,
    training: bool,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Maxima and their windows, (batch, blocks * filters), in training of a few texts at a time."""
    lowest = tf.as_dtype(dtype).min
    width = int(rows.shape[2])
    batch, windows = tf.shape(rows)[0], tf.shape(rows)[1]

    def of_texts(rows: tf.Tensor, counted: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        scores = tf.add_n([tf.cast(gather(rows[:, :, k]), dtype) for k in range(width)])
        one_more = [[0, 0], [0, 1], [0, 0]]  # argmax refuses texts without windows
        found = [tf.where(tf.expand_dims(block, 2), scores, tf.constant(lowest, dtype)) for block in counted]
        found = [tf.pad(part, one_more, constant_values=lowest) for part in found]
        positions = [tf.argmax(part, axis=1, output_type=tf.int32) for part in found]
        return tf.concat([tf.reduce_max(part, axis=1) for part in found], axis=1), tf.concat(positions, axis=1)

    if not training:  # other formats know no loop of this kind
        best, position = of_texts(rows, counted)
        return best, tf.minimum(position, windows - 1)
    texts = tf.maximum(_CHUNK // tf.maximum(windows, 1), 1)
    parts = [tf.TensorArray(kind, 0, dynamic_size=True, infer_shape=False) for kind in (dtype, tf.int32)]

    def some(start: tf.Tensor, index: tf.Tensor, best: tf.TensorArray, position: tf.TensorArray) -> Any:
        end = tf.minimum(start + texts, batch)
        largest, places = of_texts(rows[start:end], [block[start:end] for block in counted])
        return end, index + 1, best.write(index, largest), position.write(index, places)

    _, _, best, position = tf.while_loop(
        lambda start, index, *_: (start < batch) | (index == 0), some, (0, 0, *parts), parallel_iterations=2
    )
    shape = [None, len(counted) * filters]
    return tf.ensure_shape(best.concat(), shape), tf.minimum(tf.ensure_shape(position.concat(), shape), windows - 1)
