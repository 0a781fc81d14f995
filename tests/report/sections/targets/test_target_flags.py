"""The flags of a target's page."""

from __future__ import annotations

import html
from dataclasses import replace

from latkit.report.sections.targets.target_flags import flags_section
from tests.builders import ENVIRONMENT, conv, make_measurement


def test_flags_are_counted_and_the_measurements_named() -> None:
    unpinned = make_measurement(conv(8), 1000)
    pinned = make_measurement(conv(16), 1000, environment=replace(ENVIRONMENT, affinity="0"))
    page = str(flags_section([unpinned, pinned]))
    assert "unpinned" in page
    assert "50.0 %" in page
    assert "±0.50 %" in page
    assert html.escape(unpinned.workload.title) in page
    assert html.escape(pinned.workload.title) not in page
    assert "drifting" not in page


def test_the_absence_of_flags_is_reported() -> None:
    pinned = make_measurement(conv(16), 1000, environment=replace(ENVIRONMENT, affinity="0"))
    assert "raises a flag" in str(flags_section([pinned]))
