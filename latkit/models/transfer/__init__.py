"""A new device from a few measurements: what other devices know, and which networks to measure."""

from latkit.models.transfer.belief import Belief
from latkit.models.transfer.chain import TransferModel, choose_networks
from latkit.models.transfer.choosing import choose_rows
from latkit.models.transfer.inference import Inferred, infer

__all__ = ["Belief", "Inferred", "TransferModel", "choose_networks", "choose_rows", "infer"]
