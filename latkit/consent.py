"""Consent: a question that only a person may answer. The command line asks it; elsewhere the answer is no."""

from __future__ import annotations

import threading
from collections.abc import Callable

Asker = Callable[[str], bool]
"""Shows a question, and returns whether the answer was yes."""

_asking = threading.Lock()
_asker: Asker | None = None


def ask_with(asker: Asker | None) -> None:
    """Let `asker` ask questions from now on; without an asker nobody is asked."""
    global _asker
    _asker = asker


def ask(question: str) -> bool:
    """Whether a person agrees. One question at a time, from any thread."""
    with _asking:
        return _asker is not None and _asker(question)
