"""Reports: one self-contained HTML page about a target, a search, or a whole workspace."""

from latkit.report.write import write_report

__all__ = ["write_report"]
