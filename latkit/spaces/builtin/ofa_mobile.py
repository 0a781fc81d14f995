"""Once-for-all's MobileNetV3 space."""

from __future__ import annotations

from latkit.spaces.elastic import ElasticSpace, Fixed, Head, Stage
from latkit.spaces.registry import SpaceFactory

RESOLUTIONS = (160, 176, 192, 208, 224)
"""In pixels, for the default resolution: its search evaluates these."""

# channels, stride, activation, squeeze-and-excite
STAGES = (
    Stage(24, 2, activation="relu"),
    Stage(40, 2, activation="relu", squeeze_excite=True),
    Stage(80, 2, activation="hswish"),
    Stage(112, 1, activation="hswish", squeeze_excite=True),
    Stage(160, 2, activation="hswish", squeeze_excite=True),
)


def ofa_mobile(resolution: int = 224, width: float = 1.0, classes: int = 1000) -> ElasticSpace:
    """Five stages of 2 to 4 blocks, kernel 3, 5, 7 and expansion 3, 4, 6 (Cai et al. 2020, section 4.1).

    `resolution` is the largest of five; `width` multiplies all channels (the published networks: 1.0 and 1.2).
    """
    return ElasticSpace(
        "ofa-mobile",
        scaled_resolutions(resolution),
        Fixed(16, 2, "hswish"),
        STAGES,
        Head(960, 1280, "hswish"),
        first_block=Fixed(16, 1, "relu"),
        widths=(width,),
        classes=classes,
    )


def scaled_resolutions(largest: int) -> tuple[int, ...]:
    """Five resolutions up to the largest, in the published proportions."""
    return tuple(sorted({round(one * largest / RESOLUTIONS[-1]) for one in RESOLUTIONS}))


SPACE = SpaceFactory("ofa-mobile", ofa_mobile)
