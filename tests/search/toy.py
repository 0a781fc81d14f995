"""A small space and an evaluator whose values follow from the options: oracles of what a search should find."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Sequence
from pathlib import Path

from latkit.ops import make_op
from latkit.search.evaluators import Evaluator, Verdict
from latkit.spaces import ChainSpace, Layer
from latkit.spaces.base import Architecture


def toy_space(layers: int = 4, options: int = 4) -> ChainSpace:
    """A chain whose options are kernels of 1, 3, 5, ...; all of its architectures are distinct networks."""
    shape = (8, 16, 16)
    kernels = [make_op("conv", shape, out_channels=8, kernel=2 * option + 1) for option in range(options)]
    return ChainSpace("toy", tuple(Layer(f"layer{number}", tuple(kernels)) for number in range(layers)))


class ToyEvaluator(Evaluator):
    """Score: the sum of the options, with a bonus for equal neighbors. Size: the sum of squares."""

    name = "toy"
    efforts = (1.0, 3.0, 9.0)

    def __init__(
        self, fails: Sequence[Architecture] = (), dies: Sequence[Architecture] = (), mark: str = "", stands_at: int = 0
    ) -> None:
        """`mark`: a file of what was judged. `stands_at`: with more lines in it, an evaluation never ends."""
        self.fails, self.dies, self.mark, self.stands_at = set(fails), set(dies), mark, stands_at

    @property
    def quantities(self) -> tuple[str, ...]:
        return "score", "size"

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        return {"score": (0.0, 14.0)}

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        self.effort_index(effort)
        return [self._judge(one, effort or self.efforts[-1]) for one in architectures]

    def _judge(self, one: Architecture, effort: float) -> Verdict:
        if one in self.fails:
            raise ValueError("made to fail")
        if one in self.dies:
            os._exit(9)
        if self.mark:
            with Path(self.mark).open("a") as file:
                file.write(f"{list(one)}\n")
            time.sleep(0.02)
            while self.stands_at and Path(self.mark).read_bytes().count(b"\n") > self.stands_at:
                time.sleep(1)
        score = sum(one) + sum(a == b for a, b in itertools.pairwise(one)) / 2
        return Verdict(
            {"score": score * effort / 9, "size": float(sum(x * x for x in one))}, {"evaluations": 1, "epochs": effort}
        )
