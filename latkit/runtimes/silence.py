"""Silence of the tools that quantize: they print their progress, and advice to run another tool first."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def stderr_dropped() -> Iterator[None]:
    """Context manager: send standard error to a temporary file, that of C++ code included."""
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with tempfile.TemporaryFile() as sink:
            os.dup2(sink.fileno(), 2)
            yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Context manager: drop standard output, logging up to warnings, Python's warnings, and all standard error."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with stderr_dropped(), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
