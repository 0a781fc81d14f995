"""Once-for-all's ProxylessNAS space."""

from __future__ import annotations

from latkit.spaces.builtin.ofa_mobile import scaled_resolutions
from latkit.spaces.elastic import ElasticSpace, Fixed, Head, Stage
from latkit.spaces.registry import SpaceFactory

STAGES = (Stage(24, 2), Stage(40, 2), Stage(80, 2), Stage(96, 1), Stage(192, 2), Stage(320, 1, depths=(1,)))


def ofa_proxyless(resolution: int = 224, width: float = 1.3, classes: int = 1000) -> ElasticSpace:
    """Five stages of 2 to 4 blocks and a last one of one block, kernel 3, 5, 7 and expansion 3, 4, 6, with ReLU6.

    `resolution` is the largest of five; `width` multiplies all channels (the published network: 1.3).
    """
    return ElasticSpace(
        "ofa-proxyless",
        scaled_resolutions(resolution),
        Fixed(32, 2),
        STAGES,
        Head(1280),
        first_block=Fixed(16),
        widths=(width,),
        classes=classes,
    )


SPACE = SpaceFactory("ofa-proxyless", ofa_proxyless)
