"""The `tfconv` command as tests call it."""

from tfconv.cli import main


def status(*arguments):
    """Run the command in this process and return its exit status."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code or 0
    return 0
