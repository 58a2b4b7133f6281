"""`python -m tfconv`: the `tfconv` command."""

from tfconv.cli import main

main()
