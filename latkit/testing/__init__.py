"""Simulators and real parts for tests and benchmarks: boards, phones, faulty agents and fake servers, all on loopback.

Nothing in latkit imports this package. A simulator reports no made-up latencies: a round is timed by a real agent, or
its times are all the same round number. Needs root, and Linux, for most parts; what a machine lacks is `Unavailable`.
"""

from latkit.testing.host import NotServing, Unavailable

__all__ = ["NotServing", "Unavailable"]
