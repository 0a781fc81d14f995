"""Active learning: ops beyond a space, measured where a model that learns from them has the largest
errors; resumable.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from latkit.latency_models import MIN_OPS_TO_FIT, design_matrix, fit_kind, select_batch
from latkit.measurements import select
from latkit.ops import OVERHEAD_PROBE, Op
from latkit.profiling import Collection, CollectionSummary
from latkit.spaces import Space, variations
from latkit.timing import Measurement, Workload, estimate, reference_seconds

BATCH = 24
"""Number of ops to measure before the model's errors are estimated again."""

POOL = 4
"""The pool holds this many times the requested ops, and at least `MIN_POOL`."""
MIN_POOL = 1000


def explore(collection: Collection, space: Space, count: int, max_seconds: float | None = None) -> CollectionSummary:
    """Measure until `count` variations of the space's ops are known, and select each batch from the results so far.

    Measurements of earlier runs count, complete or not: the pool is deterministic. The space's own ops and the runtime
    overhead must be measured. If the space has fewer than `count` variations, the run ends earlier. `max_seconds`
    bounds the timing.
    """
    begun = time.monotonic()
    pool = list(itertools.islice(variations(space), max(MIN_POOL, POOL * count)))
    done = CollectionSummary(0, 0, 0, {}, finished=True, seconds=0.0, inference_seconds=0.0)
    while done.finished:
        batch = _next_batch(collection, space, pool, count, set(done.failed))
        if not batch:
            break
        left_s = None if max_seconds is None else max_seconds - (time.monotonic() - begun)
        if left_s is not None and left_s <= 0:
            return replace(done, finished=False)
        now = collection.run(batch, max_seconds=left_s, seed=done.rounds)
        done = done.plus(now)
        if now.finished and not now.rounds and not now.failed:
            break  # nothing more can be measured of them
    return done


def _next_batch(collection: Collection, space: Space, pool: Sequence[Op], count: int, failed: set[str]) -> list[Op]:
    """The ops of the pool to measure now: incomplete ones, and others up to `BATCH`; empty at the end."""
    environment = collection.store.latest_environment()
    of_environment = [m for m in collection.store.measurements("fit") if m.environment == environment]
    # by the plan of this collection: with the plan of an earlier run, an op would stay incomplete for ever
    begun = {m.workload: m for m in sorted(of_environment, key=lambda m: m.plan == collection.plan)}
    incomplete = [op for op in pool if op in begun and not begun[op].complete and op.title not in failed]
    made = sum(op in begun for op in pool) + len(failed)
    free = [op for op in pool if op not in begun and op.title not in failed]
    return [*incomplete, *choose_ops(_known_s(begun), free, min(BATCH - len(incomplete), count - made), space.ops())]


def _known_s(begun: Mapping[Workload, Measurement]) -> dict[Op, float]:
    """Seconds of the ops with usable measurements, without the runtime overhead."""
    used = select(list(begun.values())).used
    reference_s = reference_seconds(used)
    seconds = {m.workload: estimate(m, reference_s).seconds for m in used}
    fixed_s = seconds.pop(OVERHEAD_PROBE, 0.0)
    return {op: max(s - fixed_s, s / 1000) for op, s in seconds.items() if isinstance(op, Op)}


def choose_ops(known_s: Mapping[Op, float], pool: Sequence[Op], count: int, ops: Sequence[Op]) -> list[Op]:
    """The `count` ops of the pool to measure next, given the seconds of the measured ops.

    The share of a kind grows with the square root of its number among `ops`: kinds with many ops vary more, and matter
    more.
    """
    numbers_of = {kind: sum(op.kind == kind for op in ops) for kind in dict.fromkeys(op.kind for op in pool)}
    if count <= 0:
        return []
    roots = {kind: math.sqrt(max(number, 1)) for kind, number in numbers_of.items()}
    chosen: list[Op] = []
    for kind, root in sorted(roots.items(), key=lambda item: item[1]):
        share = math.ceil(count * root / sum(roots.values()))
        chosen += _choose_of_kind(
            {op: s for op, s in known_s.items() if op.kind == kind},
            [op for op in pool if op.kind == kind],
            min(share, count - len(chosen)),
        )
    return chosen


def _choose_of_kind(known_s: Mapping[Op, float], pool: Sequence[Op], count: int) -> list[Op]:
    if count <= 0:
        return []
    terms, features = design_matrix([*known_s, *pool])
    known, free = features[: len(known_s)], features[len(known_s) :]
    if len(known_s) < MIN_OPS_TO_FIT:
        return [pool[i] for i in select_batch(known, np.ones(len(known)), free, count)]
    model = fit_kind(terms[: len(known)], known, np.array(list(known_s.values())))
    return [pool[i] for i in select_batch(known, model.errors, free, count, model.importance())]
