"""Elastic spaces: the sub-networks of one network that is trained once (Once-for-all, Cai et al. 2020)."""

from latkit.spaces.elastic.space import ElasticSpace
from latkit.spaces.elastic.structure import BlockSetting, Fixed, Head, Stage, Subnet

__all__ = ["BlockSetting", "ElasticSpace", "Fixed", "Head", "Stage", "Subnet"]
