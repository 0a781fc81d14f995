"""Named hostile behavior of devices, servers, phones and users: more than 150 scenarios."""

from __future__ import annotations

from benchmarks.fuzzing.hostile import lying_agents, lying_servers
from benchmarks.fuzzing.hostile.scenario import Scenario


def scenarios() -> list[Scenario]:
    """All of them; the honest ones come first, because without them the others prove nothing."""
    made = [
        *lying_agents.honest(),
        *lying_agents.texts_of_facts(),
        *lying_agents.values_of_facts(),
        *lying_agents.contradictions(),
        *lying_agents.conditions(),
        *lying_agents.rounds(),
        *lying_servers.pythons(),
        *lying_servers.servers(),
        *lying_servers.phones(),
        *lying_servers.leases(),
    ]
    assert len({one.name for one in made}) == len(made)
    return made
