"""How often random encodings of the 5-vertex space are its best networks: what Optuna's samplers draw from.

    python -m benchmarks.strategy_encodings [--data DIR] [--draws N] [--json]

An encoding is one option for every choice. A network has as many encodings as its vertices have orders, so that some
are drawn far more often than others.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

from latkit.errors import UsageError
from latkit.search.evaluators.tables.nasbench101 import load_five_vertices
from latkit.spaces import Architecture, Space

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BEST = 10


def random_encoding(space: Space, rng: random.Random) -> Architecture | None:
    """The network of a random encoding in its canonical form; None if the encoding is no network of the space."""
    drawn: list[int] = []
    for choice in space.choices:
        drawn.append(rng.randrange(len(choice.options)) if choice.tied_to is None else drawn[choice.tied_to])
    try:
        return space.canonical(space.check(drawn))
    except UsageError:
        return None


def best_networks(data: Path, draws: int) -> list[dict[str, Any]]:
    """The best networks by validation accuracy, in percent, and the number of encodings that are each of them."""
    space, evaluator = load_five_vertices(data)
    rng = random.Random(0)
    counts = Counter(random_encoding(space, rng) for _ in range(draws))
    table = evaluator.table
    best = sorted(table.rows, key=lambda one: float(table.columns["accuracy"][table.rows[one]]), reverse=True)[:BEST]
    verdicts = evaluator.judge(best)
    return [
        {
            "rank": rank,
            "validation_accuracy": round(verdict.quantities["accuracy"], 2),
            "test_accuracy": round(evaluator.test_quantities(one)["test_accuracy"], 2),
            "encodings": counts[one],
        }
        for rank, (one, verdict) in enumerate(zip(best, verdicts, strict=True), 1)
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of ecnas_5v_4epochs.npz")
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = best_networks(arguments.data, arguments.draws)
    if arguments.json:
        print(json.dumps({"draws": arguments.draws, "networks": rows}, indent=1))
        return
    print(f"rank  validation  test   of {arguments.draws} random encodings")
    for row in rows:
        print(f"{row['rank']:4}  {row['validation_accuracy']:10}  {row['test_accuracy']:5}  {row['encodings']}")


if __name__ == "__main__":
    main()
