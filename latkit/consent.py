"""Consent: a question that only a person may answer. The command line asks it; without one the answer is no."""

from __future__ import annotations

import threading
from collections.abc import Callable

Asker = Callable[[str], bool]
"""Shows a question, and says whether the answer was yes."""

_asking = threading.Lock()
_asker: Asker | None = None


def ask_with(asker: Asker | None) -> None:
    """Let questions be asked so from now on; nobody is asked where there is no asker."""
    global _asker
    _asker = asker


def ask(question: str) -> bool:
    """Whether a person agrees. One question at a time, from whatever thread."""
    with _asking:
        return _asker is not None and _asker(question)
