"""What a network is judged by is said by its task: no other file of the package names the metric or the loss."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "latkit"
TASKS = PACKAGE / "search" / "tasks"
WORDS = re.compile(r"accurac(y|ies)|cross.?entropy", re.IGNORECASE)


def test_only_tasks_name_their_metric_and_loss() -> None:
    files = sorted(path for path in PACKAGE.rglob("*.py") if WORDS.search(path.read_text(encoding="utf-8")))
    assert TASKS / "classification.py" in files
    others = [str(path.relative_to(PACKAGE)) for path in files if TASKS not in path.parents]
    assert not others, "use the metric of the task: its name, title and format"
