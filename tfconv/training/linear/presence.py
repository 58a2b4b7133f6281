"""Which n-grams are present in which texts, as a sparse matrix of zeros and ones."""

from functools import cached_property

import numpy as np
import numpy.typing as npt
import tensorflow as tf

__all__ = ["PresenceMatrix"]

Floats = npt.NDArray[np.float32]


class PresenceMatrix:
    """A sparse matrix (texts, n-grams) of zeros and ones that is multiplied from both sides.

    It keeps its ones in the order of the rows and in that of the columns, 4 bytes each: both products are then sums of
    gathered rows, and no weight is stored.

    Args:
        lengths: ones in each row, integers (n,).
        columns: the column of each one, row by row, int32.
        width: how many columns there are.
    """

    def __init__(self, lengths: npt.NDArray[np.int64], columns: npt.NDArray[np.int32], width: int) -> None:
        self.lengths = np.asarray(lengths, np.int64)
        self.columns = np.asarray(columns, np.int32)
        self.width = width

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: npt.NDArray[np.int64]) -> "PresenceMatrix":
        """The rows of these numbers, in that order."""
        starts = np.cumsum(self.lengths) - self.lengths
        lengths = self.lengths[rows]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return PresenceMatrix(lengths, self.columns[np.repeat(starts[rows], lengths) + within], self.width)

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """How many rows have each column: int64 (width,)."""
        return np.bincount(self.columns, minlength=self.width)

    def times(self, matrix: Floats) -> Floats:
        """The product with a matrix (width, k): float32 (n, k)."""
        return _summed(matrix, self.columns, self._rows, self.lengths, len(self))

    def transposed_times(self, matrix: Floats) -> Floats:
        """The product of the transpose with a matrix (n, k): float32 (width, k)."""
        return _summed(matrix, self._rows_by_column, self._columns_in_order, self.counts, self.width)

    @cached_property
    def _rows(self) -> npt.NDArray[np.int32]:
        return np.repeat(np.arange(len(self), dtype=np.int32), self.lengths)

    @cached_property
    def _rows_by_column(self) -> npt.NDArray[np.int32]:
        return self._rows[np.argsort(self.columns, kind="stable")]

    @cached_property
    def _columns_in_order(self) -> npt.NDArray[np.int32]:
        return np.repeat(np.arange(self.width, dtype=np.int32), self.counts)


def _summed(
    matrix: Floats,
    taken: npt.NDArray[np.int32],
    places: npt.NDArray[np.int32],
    lengths: npt.NDArray[np.int64],
    size: int,
) -> Floats:
    """Sum the taken rows of a matrix, those of one place together; `lengths` are how many each place has."""
    if matrix.shape[1] > 1:  # TensorFlow's kernel holds no gathered rows; of one column NumPy is three times as fast
        sums = tf.raw_ops.SparseSegmentSumWithNumSegments(
            data=matrix, indices=taken, segment_ids=places, num_segments=size
        )
        return sums.numpy()
    found = np.zeros(size, np.float32)
    filled = np.flatnonzero(lengths)
    if len(filled):
        starts = (np.cumsum(lengths) - lengths)[filled]
        found[filled] = np.add.reduceat(np.take(matrix[:, 0], taken), starts)
    return found[:, None]
