"""Sweeps: profiles of one model that differ in one setting, such as the number of threads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from latkit.errors import UsageError
from latkit.profiling.profile import Profile
from latkit.targets import Target


@dataclass(frozen=True, slots=True)
class Sweep:
    """Profiles of one model, by rising value of the setting."""

    model: str
    target: str
    """The target, without the setting that varies."""
    profiles: tuple[Profile, ...]

    @property
    def title(self) -> str:
        """Model and target."""
        return f"{self.model}, {self.target}"


def sweeps(profiles: Iterable[Profile], setting: str) -> list[Sweep]:
    """The sweeps over `threads` or `batch`; of several profiles at one value, the last counts."""
    groups: dict[tuple[str, str], dict[int, Profile]] = {}
    for profile in profiles:
        groups.setdefault((profile.model, _without(profile.target, setting)), {})[getattr(profile, setting)] = profile
    return [
        Sweep(model, target, tuple(by_value[value] for value in sorted(by_value)))
        for (model, target), by_value in groups.items()
        if len(by_value) > 1
    ]


def _without(text: str, setting: str) -> str:
    try:
        target = Target.parse(text)
    except UsageError:  # of a runtime that is not installed here
        return text
    settings = {"threads": f"t{target.threads}", "batch": f"b{target.batch}"}
    fixed = [target.precision, *(word for name, word in settings.items() if name != setting)]
    return f"{target.device}/{target.runtime}-{'-'.join(sorted(fixed, reverse=True))}"
