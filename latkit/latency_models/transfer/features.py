"""The work of an op, in few features, since only a few networks are measured.

With all terms of `latency_models.trees.roofline` instead, the mean error was up to three times larger:
docs/concepts/latency-models.md.
"""

from __future__ import annotations

import math

import numpy as np

from latkit._io.arrays import Floats
from latkit.latency_models.trees.roofline import CACHES
from latkit.ops import Op


def work_features(op: Op) -> Floats:
    """Terms that a latency grows with, shape (16,).

    Depthwise MACs count separately by kernel, since runtimes have special routines for some kernels and none for
    others. Elements beyond each typical cache size count separately as well.
    """
    found = op.work
    kernel = max(part.kernel for part in op.parts)
    sizes = (kernel <= 3, kernel == 5, kernel > 5)
    inner_bytes = op.bytes(found.widened + found.reduced)
    numbers = [
        1.0,
        found.expand_macs,
        found.dense_macs - found.expand_macs,
        *(found.depthwise_macs if same else 0.0 for same in sizes),
        op.input_elements + found.widened,
        found.widened,
        found.reduced,
        found.reduced + math.prod(op.output_shape),
        found.weights,
        *(max(inner_bytes - mebibytes * 2**20, 0.0) for mebibytes in CACHES),
    ]
    return np.array(numbers, dtype=np.float64)
