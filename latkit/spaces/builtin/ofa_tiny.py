"""An elastic space for images of 16 to 32 px."""

from __future__ import annotations

from latkit.errors import UsageError
from latkit.spaces.elastic import ElasticSpace, Fixed, Head, Stage
from latkit.spaces.registry import SpaceFactory

STAGES = (
    Stage(24, 2, (1, 2, 3), activation="relu"),
    Stage(40, 2, (1, 2, 3), activation="hswish"),
    Stage(80, 2, (1, 2, 3), activation="hswish", squeeze_excite=True),
)


def ofa_tiny(resolution: int = 16, width: float = 1.0, classes: int = 10, channels: int = 3) -> ElasticSpace:
    """Three stages of 1 to 3 blocks, kernel 3, 5, 7 and expansion 3, 4, 6; the last has squeeze-and-excite.

    `resolution` is the larger of two: the other is three quarters of it. `width` multiplies all channels.
    """
    if resolution % 4 or resolution < 16:
        raise UsageError(f"space ofa-tiny: expected a resolution of 16, 20, 24 and so on, but found {resolution}")
    return ElasticSpace(
        "ofa-tiny",
        (resolution * 3 // 4, resolution),
        Fixed(16, 1, "hswish"),
        STAGES,
        Head(320, activation="hswish"),
        first_block=Fixed(16, 1, "relu"),
        widths=(width,),
        channels=channels,
        classes=classes,
    )


SPACE = SpaceFactory("ofa-tiny", ofa_tiny)
