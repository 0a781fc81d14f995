"""The part of torchrun's other processes in a search: they search too; only the first one reports and measures."""

from __future__ import annotations

from latkit.layout import Folders
from latkit.search import Problem, run_search
from latkit.search.baselines.run import run_baselines
from latkit.workspace.searches.preflight import shared
from latkit.workspace.searches.search_job import SearchJob


def follow(folders: Folders, job: SearchJob) -> None:
    """Take part in one search after the other. The first process sets what is resumed, with which tables and warm-up.

    Raises LatkitError if a search fails, as every process does: that ends them all.
    """
    for member in job.series.members:
        tables = shared(None, job.space, job.constraints, job.settings)
        target_s, folder = member.target_latency_s, folders.search_dir(member.name)
        start, bounds = job.start, tables.constraints
        problem = Problem(job.space, tables.latency, job.data, target_s, job.settings, job.teacher, bounds, start=start)
        run_search(problem, folder)
        for one in job.baselines:
            run_baselines(problem, folder, [one])
