"""The command line. Its commands import what they need when they are called, so that `--help` is quick."""

from latkit.cli.app import main

__all__ = ["main"]
