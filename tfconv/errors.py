"""The one exception that means "the user can mend this"."""

__all__ = ["InputError"]


class InputError(ValueError):
    """A mistake in what the user gave: a file, a column, a name, an option.

    The message is one line that says what is wrong, where (file and row where there is one) and what to do. The
    command line prints it on stderr and exits with status 2; in Python it is an ordinary `ValueError`.
    """

    def __init__(self, message: str) -> None:
        """Keep the message on one line, whatever was interpolated into it."""
        super().__init__(" ".join(str(message).split()))
