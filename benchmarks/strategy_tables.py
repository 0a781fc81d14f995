"""The results of `benchmarks/strategies.py` as a document, as text, and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean, median, pstdev
from typing import Any

from benchmarks.strategy_runs import ACCURACY, RUNS, Job, Optimum, Outcome, limit_of, limited_cases, optimum_of

Result = Mapping[str, float]

TITLES = {
    "nasbench201": "NAS-Bench-201, CIFAR-10",
    "nasbench101_pool": "A sample of NAS-Bench-101",
    "nasbench101_5v": "NAS-Bench-101 of up to five vertices, four epochs",
    "nasbench_macro": "NAS-Bench-Macro",
    "accel_nasbench": "Accel-NASBench",
    "darts_sample": "A sample of DARTS's space",
    "front_5v_hypervolume_share": "The front of accuracy and energy, NAS-Bench-101 of up to five vertices",
    "limited_regret": "NAS-Bench-201 within a latency limit",
    "ask_tell_ms": "Time of one ask and tell",
}
NOTES = {
    "nasbench201": "The validation accuracy after 12 epochs chooses, the test accuracy after 200 epochs judges.",
    "nasbench101_pool": "10,000 networks; the validation accuracy after 108 epochs chooses and judges.",
    "nasbench101_5v": "All 2,532 networks; the validation accuracy chooses, the test accuracy judges.",
    "nasbench_macro": "All 6,561 networks; the first of three trainings chooses, the mean of the others judges.",
    "accel_nasbench": "5,138 networks on ImageNet; the validation accuracy chooses and judges.",
    "darts_sample": "1,218 networks; the accuracy that NAS-Bench-301's model gives chooses and judges.",
    "front_5v_hypervolume_share": "Share of the true front's hypervolume.",
    "limited_regret": "21 devices, limits at the 30, 60 and 90 % quantile of their latencies: points of test accuracy "
    "below the best within the limit. Nothing over a limit was evaluated.",
    "ask_tell_ms": "Milliseconds of one core on NAS-Bench-201: the mean of the first 150 queries; of strategies that "
    "fit a predictor, of the queries from 380 to 400.",
}


@dataclass
class Section:
    """The results of one section by strategy."""

    name: str
    optimum: Optimum | None = None
    """What there is to find, where accuracies are judged; of regrets, in points below the best."""
    rows: dict[str, list[Result]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """What runs took, where that was recorded."""

    def document(self) -> dict[str, Any]:
        """Means by strategy: by the number of queries, or one number."""
        return {strategy: self._means(results) for strategy, results in self.rows.items()}

    def lines(self) -> list[list[str]]:
        """A heading, and a row for every strategy."""
        names = list(next(iter(self.rows.values()))[0])
        lines = [["strategy", *names, "runs", "seconds per run"]]
        for strategy, results in self.rows.items():
            cells = (self._cell([one[name] for one in results if name in one]) for name in names)
            taken = self.seconds.get(strategy)
            lines.append([strategy, *cells, f"{len(results)}", f"{median(taken):.2f}" if taken else "unknown"])
        return lines

    def _means(self, results: list[Result]) -> Any:
        means = {name: round(fmean(one[name] for one in results), 4) for name in results[0]}
        if self.name in ACCURACY:
            return means
        return list(means.values())[-1]  # after the most queries

    def _cell(self, values: list[float]) -> str:
        if not values:
            return "not run"
        mean, digits = fmean(values), 4 if self.name == "front_5v_hypervolume_share" else 2
        shown = f"{mean:.{digits}f} ± {pstdev(values):.{digits}f}"
        return f"{shown} ({self.optimum.best - mean:.2f})" if self.optimum and self.name in ACCURACY else shown


def sections_of(found: Mapping[Job, Outcome], data: str) -> list[Section]:
    """The results by section and strategy, in the order of `RUNS`."""
    sections: dict[str, Section] = {}
    for job, outcome in sorted(found.items(), key=lambda pair: (pair[0].strategy, pair[0].seed)):
        section = sections.setdefault(job.section, Section(job.section))
        section.rows.setdefault(job.strategy, []).append(outcome.figures)
        if outcome.seconds is not None:
            section.seconds.setdefault(job.strategy, []).append(outcome.seconds)
    for name, section in sections.items():
        section.optimum = _optimum(name, data)
    return [sections[name] for name in RUNS if name in sections]


def as_text(section: Section) -> str:
    """A table for the terminal."""
    lines = section.lines()
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return f"\n{section.name}: {_meaning(section)}\n" + "\n".join(f"  {row}" for row in rows)


def as_page(sections: Iterable[Section], further: Iterable[str]) -> str:
    """The page of the documentation. `further`: lines about what is not a strategy on a table."""
    parts = [HEAD]
    for section in sections:
        head, *rows = section.lines()
        table = [_row(head), _row(["---"] * len(head)), *(_row([f"`{row[0]}`", *row[1:]]) for row in rows)]
        parts += [f"## {TITLES[section.name]}", f"{NOTES[section.name]} {_meaning(section)}", "\n".join(table)]
    return "\n\n".join([*parts, "## Speed", *further]) + "\n"


def _optimum(section: str, data: str) -> Optimum | None:
    if section in ACCURACY:
        return optimum_of(ACCURACY[section], data)
    if section != "limited_regret":
        return None
    limited = [limit_of(data, case)[1] for case in limited_cases(data)]
    return Optimum(0.0, fmean(one.best - one.chosen for one in limited))


def _meaning(section: Section) -> str:
    meant, optimum = "Mean ± standard deviation over runs", section.optimum
    if optimum is None:
        return f"{meant}."
    if section.name not in ACCURACY:
        return f"{meant}; {optimum.chosen:.2f} is the mean of a search that sees every validation accuracy."
    chosen = f"a search that sees every validation accuracy returns {optimum.chosen:.2f}"
    return f"{meant}, in percent; in brackets the points below {optimum.best:.2f}, the best in the table; {chosen}."


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


HEAD = """# Search strategies

Every strategy on every table of real results, by the number of queries. This page is printed by

```
python -m benchmarks.strategies --data DIR --cache results.jsonl --page docs/evidence/strategies.md
```

which stops within twenty minutes and continues where it stopped. Runs differ in their seed, and of limited searches
also in device and limit. Strategies whose run takes more than a second have fewer, and so have others as long as the
benchmark was not run to its end: `runs` counts them. `optuna-gp`, which would take hours, has fewer queries too. The
last column is the median of the seconds of one core that a run takes, where it was recorded. No strategy sees what
judges.
[Search strategies](../strategies.md) describes them."""
