"""The command line. Its commands import what they need when they are called, so that `--help` is quick."""

import sys

INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell gives it."""


def main() -> None:
    """Entry point of the `latkit` command."""
    try:
        from latkit.cli.entry import run
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()


__all__ = ["main"]
