"""MobileNetV2 scaled to a latency: the width whose latency is nearest, and at most 2 % above it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from latkit.errors import TargetOutOfReach
from latkit.ops import Network
from latkit.spaces import Space
from latkit.zoo import mobilenet_v2

LatencyOf = Callable[[Network], float]
"""Seconds of a network on the target: predicted by a model that covers it, or measured."""

WIDTHS = tuple(round(0.05 * step, 2) for step in range(1, 41))
"""The multipliers tried, from 0.05 to 2: channels are multiples of 8, so finer ones give the same networks."""

MAX_WIDTH_OVERSHOOT = 1.02
"""Maximum latency of a network, as a multiple of the target."""


def ladder(space: Space) -> Iterator[Network]:
    """MobileNetV2 for a space's images and classes, narrowest first; widths with equal channels appear once."""
    channels, resolution, _ = space.input_shape
    (classes,) = space.output_shape
    before: Network | None = None
    for width in WIDTHS:
        network = mobilenet_v2(width, resolution, classes, channels)
        if network != before:
            yield network
        before = network


def check_narrowest(space: Space, target_s: float, latency_of: LatencyOf) -> None:
    """Raise TargetOutOfReach where the narrowest MobileNetV2 is slower than a target. Requests one latency."""
    seconds = latency_of(next(ladder(space)))
    if seconds > MAX_WIDTH_OVERSHOOT * target_s:
        raise _too_narrow(target_s, seconds)


def _too_narrow(target_s: float, narrowest_s: float) -> TargetOutOfReach:
    return TargetOutOfReach(
        f"expected a MobileNetV2 of at most {target_s * 1e3:.4g} ms, but its narrowest takes {narrowest_s * 1e3:.4g} "
        "ms; leave the baseline mobilenetv2 out, or ask for a longer latency"
    )


def scaled_mobilenet(space: Space, target_s: float, latency_of: LatencyOf) -> tuple[Network, float]:
    """The network nearest to the target, of those no slower than 1.02 of it, and its seconds.

    Requests the latency of one network after the other until one is too slow. Raises TargetOutOfReach where the
    narrowest is.
    """
    fitting: list[tuple[Network, float]] = []
    for network in ladder(space):
        seconds = latency_of(network)
        if seconds > MAX_WIDTH_OVERSHOOT * target_s:
            break
        fitting.append((network, seconds))
    if not fitting:
        raise _too_narrow(target_s, seconds)
    return min(fitting, key=lambda pair: abs(pair[1] - target_s))
