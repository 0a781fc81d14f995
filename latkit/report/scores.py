"""Scores of networks, formatted for readers."""

from __future__ import annotations

from collections.abc import Iterable

from latkit.report.formatting import ABSENT
from latkit.search.tasks import Scored


def score(record: Scored) -> str:
    """The value of a network's metric."""
    return ABSENT if record.score is None else record.metric.format(record.score)


def score_title(records: Iterable[Scored]) -> str:
    """Heading of a column of scores: the metric that they are of, or all of them."""
    return " or ".join(dict.fromkeys(record.metric.title for record in records)) or "score"
