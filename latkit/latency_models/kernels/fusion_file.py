"""The fusion rules of a target as a JSON file beside its models."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Literal

from pydantic import BaseModel, ConfigDict

from latkit._io import load_record, write_record
from latkit.graphs import Rule


class FusionRule(BaseModel):
    """The result for one pair of neighbors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    before: str
    after: str
    fused: bool


class FusionFile(BaseModel):
    """All fusion results of a target's runtime."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal["latkit-fusion-1"] = "latkit-fusion-1"
    target: str
    runtime: str
    """The runtime and its version."""
    rules: tuple[FusionRule, ...]
    unmeasurable: tuple[str, ...] = ()
    """Keys of kernels that the runtime rejected when they were to be measured alone. Absent in earlier files."""

    @property
    def decided(self) -> dict[Rule, bool]:
        """Whether each tested rule holds."""
        return {(rule.before, rule.after): rule.fused for rule in self.rules}

    @property
    def holding(self) -> frozenset[Rule]:
        """The rules that hold."""
        return frozenset(rule for rule, fused in self.decided.items() if fused)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON, atomically."""
        write_record(path, self.model_dump(mode="json"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FusionFile:
        """Read from JSON. Raises BadFile."""
        return load_record(path, cls, "fusion rules")


def fusion_file(target: str, runtime: str, decided: dict[Rule, bool], unmeasurable: Collection[str] = ()) -> FusionFile:
    """The file of decided rules, and of kernels that cannot be measured."""
    rules = tuple(FusionRule(before=b, after=a, fused=fused) for (b, a), fused in sorted(decided.items()))
    return FusionFile(target=target, runtime=runtime, rules=rules, unmeasurable=tuple(sorted(unmeasurable)))
