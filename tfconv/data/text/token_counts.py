"""Count tokens in one pass with bounded memory."""

from collections.abc import Iterator, Sequence

import numpy as np

from tfconv.errors import check_whole

__all__ = ["TokenCounts"]

_AT_ONCE = 1 << 16


class TokenCounts:
    """How often each token occurs: exactly, or with a known error where there are more tokens than `limit`.

    The algorithm of Misra & Gries ("Finding repeated elements", 1982), pruned in batches as by Agarwal et al.
    ("Mergeable summaries", 2013): when more than `limit` tokens are held, only the `limit // 2` most frequent stay, and
    `error` rises to the most that a token left out can have occurred. Each token is counted from where it (last) came
    in (an error for each token alone, as in Metwally, Agrawal & El Abbadi's Space-Saving, 2005), so that, of a token
    which truly occurs `f` times among `total`, with k = `limit // 2`:

    - its count c is at most f and at least f - `error`; a token that is not held occurs at most `error` times;
    - `error` <= `total` / (k + 1): every token more frequent than that is held;
    - `error` is 0, and all is exact, while no more than `limit` different tokens have come.

    A frequent token comes early and stays, and its count is then exact. At 2**19 tokens the memory is about 100 MB.

    Args:
        limit: most different tokens that are held (up to 65,536 more for a moment); `None`: all of them.

    Raises:
        InputError: `limit` is not from 2 to 2**31 - 1.
    """

    def __init__(self, limit: int | None = None) -> None:
        check_whole("limit", limit, 2, optional=True)
        self.limit = limit
        self.total = 0
        self.error = 0
        self._counts: dict[bytes, int] = {}
        self._before: dict[bytes, int] = {}  # what `error` was when the token came in, where not 0

    def __len__(self) -> int:
        return len(self._counts)

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        return iter(self._counts.items())

    def add(self, tokens: Sequence[bytes], counts: Sequence[int]) -> None:
        """Count some tokens, `counts[i]` more of `tokens[i]`; counts are above 0."""
        self.total += sum(counts)
        for start in range(0, len(tokens), _AT_ONCE):  # a long text's tokens must not swell the table
            self._add(tokens[start : start + _AT_ONCE], counts[start : start + _AT_ONCE])
            if self.limit is not None and len(self._counts) > self.limit:
                self._prune(self.limit // 2)

    def _add(self, tokens: Sequence[bytes], counts: Sequence[int]) -> None:
        held, error = self._counts, self.error
        for token, count in zip(tokens, counts, strict=True):
            if token in held:
                held[token] += count
            else:
                held[token] = count
                if error:
                    self._before[token] = error

    def _prune(self, kept: int) -> None:
        """Leave out what may be less frequent than the `kept` most frequent tokens."""
        most = np.fromiter(self._counts.values(), np.int64, len(self._counts))
        if self._before:
            before = self._before
            most += np.fromiter((before.get(token, 0) for token in self._counts), np.int64, len(most))
        self.error = int(np.partition(most, len(most) - kept - 1)[len(most) - kept - 1])
        stay = most > self.error
        self._counts = {
            token: count for (token, count), stays in zip(self._counts.items(), stay.tolist(), strict=True) if stays
        }
        self._before = {token: error for token, error in self._before.items() if token in self._counts}
