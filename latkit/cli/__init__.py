"""The command line. Commands import what they need when they are called, so that `--help` is fast."""

import sys

INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell reports it."""


def main() -> None:
    """Entry point of the `latkit` command."""
    try:
        from latkit.cli.entry import run
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()


__all__ = ["main"]
