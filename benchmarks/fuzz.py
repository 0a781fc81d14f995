"""Hostile files and devices: every reader with mutated inputs, and commands against devices that lie.

    python -m benchmarks.fuzz [--inputs 100000] [--seed 0] [--readers a,b] [--jobs 2] [--folder build/fuzz]
                              [--only files,devices,line,writers] [--scenarios WORDS] [--replay FILE] [--json]

Prints a table of the readers and one document: `inputs`, `tracebacks`, `hangs` (over 10 s), `over_memory` (over 2 GiB),
`hostile_scenarios`, `hostile_tracebacks`, `raw_control_characters`, `endless_line_mb`, `incomplete_reads`. An exception
that only `main` would turn into a line counts as a traceback here. Inputs that fail are saved in the folder, one per
location in latkit, with the command that replays it. An interrupted run continues when it is started again. Ends with
1 if anything failed. See docs/evidence/faults.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs as a script too

SIDE_BY_SIDE = 3
"""Hostile devices that one core runs at once: mostly they wait."""
PARTS = ("files", "devices", "line", "writers")
KEYS = (
    "inputs",
    "tracebacks",
    "hangs",
    "over_memory",
    "hostile_scenarios",
    "hostile_tracebacks",
    "raw_control_characters",
    "endless_line_mb",
    "incomplete_reads",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", default="", metavar="a,b", help="Those only.")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"), help="Corpus, state and failures.")
    parser.add_argument("--only", default=",".join(PARTS), metavar="PARTS", help="Of files, devices, line, writers.")
    parser.add_argument("--scenarios", default="", metavar="WORDS", help="Only those whose names hold these words.")
    parser.add_argument("--seconds", type=float, default=20.0, help="How long the writers write.")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="Try one kept failure again, and show it.")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.replay:
        sys.exit(replay(given.replay, given.folder))
    document = run(given)
    if given.json:
        print(json.dumps(document))
    if failed(document):
        sys.exit(1)


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Every requested part; the figures of the others are None."""
    figures: dict[str, Any] = dict.fromkeys(KEYS)
    parts = given.only.split(",")
    if "files" in parts:
        figures |= _files(given)
    if "devices" in parts:
        figures |= _devices(given, figures["raw_control_characters"] or 0)
    if "line" in parts:
        figures |= _line(given)
    if "writers" in parts:
        figures |= _writers(given)
    return figures | {"seed": given.seed}


def failed(document: dict[str, Any]) -> bool:
    """Whether any figure misses its requirement."""
    nothing = ("tracebacks", "hangs", "over_memory", "untidy", "raw_control_characters", "incomplete_reads")
    hostile = ("hostile_tracebacks", "hostile_failures")
    return any(document.get(name) for name in (*nothing, *hostile)) or (document["endless_line_mb"] or 0) > 100


def _files(given: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.fuzzing.campaign import Campaign
    from latkit.cli.console import note, show_table
    from latkit.cli.progress_bars import ConsoleProgress

    names = tuple(name for name in given.readers.split(",") if name)
    campaign = Campaign(given.folder.resolve(), given.seed, given.inputs, names)
    with ConsoleProgress() as progress:
        campaign.run(given.jobs, progress)
    rows = campaign.rows()
    if not given.json:
        show_table("readers", rows)
    for line in (campaign.failures.folder / "summary.txt").read_text(encoding="utf-8").splitlines():
        note(line)
    totals = campaign.totals()
    return {**totals, "raw_control_characters": totals.pop("raw"), "readers": rows}


def _devices(given: argparse.Namespace, raw: int) -> dict[str, Any]:
    """The scenarios whose name holds the words of --scenarios; `raw` is the output of the files."""
    from benchmarks.fuzzing.hostile.scenarios import scenarios
    from benchmarks.fuzzing.hostile.theater import perform
    from latkit.cli.console import note
    from latkit.cli.progress_bars import ConsoleProgress

    chosen = [scenario for scenario in scenarios() if given.scenarios in scenario.name]
    played, devices_folder = [], given.folder.resolve() / "devices"
    with ConsoleProgress() as progress:
        for one in perform(chosen, devices_folder, given.jobs * SIDE_BY_SIDE):
            played.append(one)
            progress.advance("scenarios", len(played), len(chosen), one.name)
    failing = [one for one in played if one.failed]
    for one in failing:
        note(one.summary())
    (devices_folder / "summary.txt").write_text("".join(one.summary() + "\n" for one in failing), encoding="utf-8")
    return {
        "hostile_scenarios": len(played),
        "hostile_tracebacks": sum(len(one.tracebacks) for one in played),
        "raw_control_characters": raw + sum(one.raw_characters for one in played),
        "hostile_failures": sum(len(one.failures) for one in played),
        "scenarios": [{"name": one.name, "failed": one.summary()} for one in failing],
    }


def _line(given: argparse.Namespace) -> dict[str, Any]:
    """Memory of an endless line beyond that of a short one. One after the other: they take all available memory."""
    from benchmarks.fuzzing.hostile.scenarios import scenarios
    from benchmarks.fuzzing.hostile.theater import perform

    chosen = [scenario for scenario in scenarios() if "an endless line" in scenario.name]
    peaks = [one.peak_mb for one in perform(chosen, given.folder.resolve() / "line", 1)]
    short = [scenario for scenario in scenarios() if scenario.name == "garbage for an answer"]
    baseline = next(perform(short, given.folder.resolve() / "line", 1)).peak_mb
    return {"endless_line_mb": round(max(peaks) - baseline, 1)}


def _writers(given: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.fuzzing.writers import incomplete_reads

    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        incomplete, reads = incomplete_reads(Path(folder).resolve(), given.seconds)
    return {"incomplete_reads": incomplete, "reads": reads}


def replay(path: Path, folder: Path) -> int:
    """Try one saved failure again in this process; 1 if it still fails."""
    from benchmarks.fuzzing.campaign import corpus_of_this_version
    from benchmarks.fuzzing.failures import Failures
    from benchmarks.fuzzing.worker import Bench

    path = path.resolve()
    record, content = Failures.load(path)
    corpus = corpus_of_this_version(folder.resolve())
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(corpus, Path(scratch, "workspace"), 0)
        outcome = bench.outcome(bench.readers[record["reader"]], content)
    print(f"{record['reader']}: {outcome.kind} {outcome.where}: {outcome.message}\n{outcome.trace}")
    return int(outcome.failed)


if __name__ == "__main__":
    main()
