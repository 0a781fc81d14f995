"""Progressive shrinking: from the largest network to all sub-networks (Cai et al. 2020, section 3.3)."""

from __future__ import annotations

from latkit.search.curricula.base import Curriculum, Stage, last_options, option_counts, share_epochs
from latkit.search.supernet.elastic.base import SORTED
from latkit.spaces import Space

LARGEST_SHARE = 0.4
"""Share of the epochs that train the largest network, at all resolutions: 180 of the paper's 430."""

GRADUAL = ("depth", "expansion", "width")
"""Dimensions whose options are added one at a time, from the largest down."""

SAMPLES = {"kernel": 1, "depth": 2, "expansion": 4, "width": 4}
"""Sub-networks per step, as in the authors' code."""

RATE = 0.3
"""Learning rate of the fine-tuning stages, relative to that of the largest network's training."""


class Progressive(Curriculum):
    """Resolution is always elastic; then kernel, depth, expansion and width become so, in this order.

    Every stage fine-tunes what the stages before it trained. Sub-networks learn from the labels and from the largest
    network as it was at the end of the first stage.
    """

    name = "progressive"
    summary = "the largest network first, then kernel, depth, expansion, width; the largest teaches (Once-for-all)"
    needs_order = True

    def stages(self, space: Space, epochs: int) -> tuple[Stage, ...]:
        """The largest network, and one stage for every dimension or, of gradual ones, for every option."""
        counts = option_counts(space)
        free = {"resolution": counts.pop("resolution", 1)}
        plan = [("largest", dict(free), 1, False)]
        for dimension, total in counts.items():
            for count in range(2, total + 1) if dimension in GRADUAL else [total][: total - 1]:
                free[dimension] = count
                name = f"{dimension}-{count}" if dimension in GRADUAL else dimension
                plan.append((name, dict(free), SAMPLES[dimension], dimension in SORTED))
        rest = (1 - LARGEST_SHARE) / max(len(plan) - 1, 1)
        fractions = share_epochs(self.name, epochs, [LARGEST_SHARE, *[rest] * (len(plan) - 1)])
        return tuple(
            Stage(
                name,
                share,
                last_options(space, one),
                samples,
                1.0 if name == "largest" else RATE,
                has_teacher=name != "largest",
                sorts=sorts,
            )
            for (name, one, samples, sorts), share in zip(plan, fractions, strict=True)
        )


CURRICULUM = Progressive()
