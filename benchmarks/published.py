"""Predict the networks of the published datasets with today's look-up model: the table of the README.

Prints one row per dataset; nothing is measured. `tests/measurements/test_published.py` compares every figure with the
validation that is stored beside the dataset.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from latkit.cli.console import show_table  # noqa: E402
from latkit.evaluation.validation import Drawn, Validation, compare  # noqa: E402
from latkit.latency_models import LookupModel  # noqa: E402
from latkit.measurements import read_parquet, select  # noqa: E402
from latkit.ops import Network  # noqa: E402
from latkit.spaces import load  # noqa: E402
from latkit.timing import select_estimator  # noqa: E402

PUBLISHED = ROOT / "measurements"
DATASETS = sorted(PUBLISHED.glob("*/*/measurements.parquet"))
SPACES = {
    "epyc-vm": load("proxyless-mobile"),
    "zen3-vm": load("proxyless-tiny", resolution=16, width=0.25, channels=3),
}
"""The measurements of each device."""


def stored_validation(path: Path) -> Validation:
    """The validation beside a dataset."""
    space = SPACES[path.parts[-3]]
    return Validation.load(path.parent / f"validation-{space.name}-lookup.json")


def validate_again(path: Path) -> Validation:
    """The same networks of a dataset, predicted by a look-up model that is fitted on it now."""
    measurements, space = read_parquet(path), SPACES[path.parts[-3]]
    used = select([m for m in measurements if m.role == "fit"]).used
    model = LookupModel().fit(used, select_estimator(used))
    chosen = [m for m in measurements if m.role == "validation" and isinstance(m.workload, Network)]
    by_key = {m.workload.key: m.workload for m in chosen}
    networks = [Drawn(tuple(row.architecture), by_key[row.key]) for row in stored_validation(path).results]
    return compare(model, space, networks, select(chosen).used)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    rows = []
    for path in DATASETS:
        found = validate_again(path)
        rows.append(
            {
                "target": str(found.target),
                "networks": found.networks,
                "mean_latency_ms": found.mean_latency_ms,
                "mean_error_percent": found.mape_percent,
                "within_5_percent": found.within_5_percent,
                "repeatability_percent": found.repeatability_mape_percent,
            }
        )
    show_table("published networks, predicted today", rows)


if __name__ == "__main__":
    main()
