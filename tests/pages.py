"""The code of the documentation's pages, for the tests of what it uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The code of a page in a language, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run_python(page: str, given: Mapping[str, object], replaced: Mapping[str, str], number: int = 0) -> dict[str, Any]:
    """Run a block of a page with the names that it takes for granted; returns the names that it leaves.

    `replaced`: what takes too long, or names a file of the reader's, and what stands for it here.
    """
    code = blocks(page, "python")[number]
    for text, other in replaced.items():
        assert text in code, f"{page} has no {text!r}"
        code = code.replace(text, other)
    names = dict(given)
    exec(compile(code, page, "exec"), names)
    return names
