"""The exact policy, the budget rule and HAQ's agent, against brute force on small problems."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest

from latkit.errors import TargetOutOfReach, UsageError
from latkit.ops import Network, make_op
from latkit.search.evaluators import Evaluator, Verdict
from latkit.search.goals import Goals
from latkit.search.loop import Budget, LoopOptions, search
from latkit.search.quantization.exact import best_policy
from latkit.search.quantization.haq.budget_rule import within_budget
from latkit.search.quantization.haq.ddpg import AgentSettings
from latkit.search.quantization.haq.observations import observations
from latkit.search.quantization.haq.policy import HaqPolicy, HaqSettings
from latkit.search.quantization.problem import PolicyProblem
from latkit.spaces.precisions import network_precisions, policy_names, uniform_policy
from latkit.tables.additive import AdditiveTable

PUBLISHED = Path(__file__).parents[3].parent / "shared" / "data" / "haq_mobilenetv2_bits_latency.npy"


def network(layers: int) -> Network:
    convolutions = [make_op("conv", (8, 6, 6), out_channels=8, kernel=1 + 2 * (n % 2)) for n in range(layers)]
    return Network((*convolutions, make_op("flatten", (8, 6, 6)), make_op("linear", (288,), out_features=4)), "small")


def problem(seed: int, share: float = 0.5, precisions: tuple[str, ...] = ("fp32", "int8", "fp16")) -> PolicyProblem:
    """Random costs with pair terms, of which some are negative; a bound between the cheapest and the dearest."""
    rng, space = np.random.default_rng(seed), network_precisions(network(4), precisions)
    count = len(precisions)
    rows = rng.uniform(1, 5, (len(space.choices), count)).tolist()
    pairs = [None if n == 2 else rng.uniform(-0.5, 2, (count, count)).tolist() for n in range(len(rows) - 1)]
    table = AdditiveTable(space.name, space.key, rows, 0.5, pairs)
    return PolicyProblem(space, table, table.min() + share * (table.max() - table.min()))


def every(given: PolicyProblem) -> list[tuple[int, ...]]:
    return list(itertools.product(*(range(len(row)) for row in given.rows)))


@pytest.mark.parametrize("seed", range(8))
def test_the_exact_policy_is_the_best_of_all(seed: int) -> None:
    given = problem(seed, share=0.1 + 0.1 * seed)
    scores = np.random.default_rng(seed + 100).normal(size=(len(given.rows), 3)).tolist()

    def worth(policy: tuple[int, ...]) -> float:
        return sum(row[at] for row, at in zip(scores, policy, strict=True))

    best = max(worth(policy) for policy in every(given) if given.meets(policy))
    found = best_policy(given, scores)
    assert given.meets(found)
    assert worth(found) == pytest.approx(best)
    assert given.cost(given.cheapest) == pytest.approx(min(map(given.cost, every(given))))


@pytest.mark.parametrize("seed", range(8))
def test_the_budget_rule_always_ends_within_the_bound(seed: int) -> None:
    given = problem(seed, share=0.05 * seed)
    for policy in random.Random(seed).sample(every(given), 60):
        found = within_budget(given, policy)
        assert given.meets(found)
        assert found == policy or not given.meets(policy)


def test_the_agent_begins_with_the_cheapest_policy_and_the_uniform_ones_within_the_bound() -> None:
    given = problem(2, share=0.6, precisions=("fp32", "int8"))
    uniform = [uniform_policy(given.space, name) for name in ("int8", "fp32")]
    expected = [given.cheapest, *(policy for policy in uniform if given.meets(policy))]
    agent = HaqPolicy(given, Goals.parse("accuracy:max"), 0, HaqSettings(40, 15))
    assert agent.ask(len(expected)) == expected
    assert len(expected) >= 2


def test_a_bound_below_the_cheapest_policy_says_what_is_possible() -> None:
    with pytest.raises(TargetOutOfReach, match="the least that its precisions allow"):
        problem(0, share=-0.1)


def test_a_network_that_is_quantized_already_is_refused() -> None:
    space = network_precisions(network(1), ["fp32", "int8"])
    quantized = space.decode(uniform_policy(space, "int8"))
    assert policy_names(space, uniform_policy(space, "int8")) == ("int8",) * 3
    with pytest.raises(UsageError, match="is quantized already"):
        network_precisions(quantized, ["fp32", "int8"])


def test_observations_are_scaled_and_tell_kernels_apart() -> None:
    observed = observations(network_precisions(network(4), ["fp32", "int8"]))
    assert observed.shape == (6, 10)
    assert observed.min() >= 0
    assert observed.max() <= 1
    assert observed[1][3] > observed[0][3]  # kernel 3 after kernel 1


class Sensitive(Evaluator):
    """Accuracy falls with every op that is not in fp32, the third one most."""

    name = "sensitive"
    quantities = ("accuracy",)

    def __init__(self, given: PolicyProblem) -> None:
        self.space = given.space

    def judge(self, architectures: object, effort: float | None = None) -> list[Verdict]:
        return [Verdict({"accuracy": self.accuracy(one)}, {"evaluations": 1.0}) for one in architectures]  # type: ignore[attr-defined]

    def accuracy(self, policy: tuple[int, ...]) -> float:
        losses = (0.01, 0.02, 0.2, 0.01, 0.03, 0.01)
        return 0.9 - sum(
            loss for loss, name in zip(losses, policy_names(self.space, policy), strict=True) if name != "fp32"
        )


def test_the_agent_finds_a_policy_near_the_best_and_resumes_by_replay(tmp_path: Path) -> None:
    given = problem(1, share=0.4, precisions=("fp32", "int8"))
    judge, settings = Sensitive(given), HaqSettings(40, 15, original=0.9, agent=AgentSettings(16, 16, batch=16))
    options = LoopOptions(tmp_path / "history.jsonl")
    goals = Goals.parse("accuracy:max")
    begun = search(HaqPolicy(given, goals, 0, settings), judge, Budget(evaluations=8), options)
    outcome = search(HaqPolicy(given, goals, 0, settings), judge, Budget(), options)
    assert outcome.entries[: len(begun.entries)] == begun.entries
    assert outcome.reason == "exhausted"
    best = max(judge.accuracy(policy) for policy in every(given) if given.meets(policy))
    assert outcome.best is not None
    assert all(given.meets(entry.architecture) for entry in outcome.entries)
    assert outcome.best.verdict.quantities["accuracy"] >= best - 0.02


@pytest.mark.skipif(not PUBLISHED.exists(), reason="../shared/data has the published table; see its README")
def test_the_published_table_of_cycles() -> None:
    """MobileNetV2 on HAQ's simulator, 2 to 8 bits: the exact policy keeps more bits than the rule at 60 % of 8 bits."""
    cycles = np.load(PUBLISHED, allow_pickle=False).astype(float)
    assert cycles.shape == (53, 8, 8)
    names = ("int4", "int8")
    space = network_precisions(network(50), names)
    assert len(space.choices) == 52
    rows = [[float(table[3, 3]), float(table[7, 7])] for table in cycles[:52]]
    table = AdditiveTable(space.name, space.key, rows, float(cycles[52, 7, 7]))
    given = PolicyProblem(space, table, 0.8 * table.max())
    scores = [[-1.0, 0.0]] * 52
    exact, ruled = best_policy(given, scores), within_budget(given, [1] * 52)
    assert given.meets(exact)
    assert given.meets(ruled)
    assert sum(exact) >= sum(ruled)
