"""MnasNet's space."""

from latkit.spaces.mnasnet import MnasNetSpace
from latkit.spaces.registry import SpaceFactory


def mnasnet(resolution: int = 224, classes: int = 1000) -> MnasNetSpace:
    """MnasNet (Tan et al. 2019) as Accel-NASBench has it: seven blocks with squeeze-and-excite as an option."""
    return MnasNetSpace("mnasnet", resolution, classes)


SPACE = SpaceFactory("mnasnet", mnasnet)
