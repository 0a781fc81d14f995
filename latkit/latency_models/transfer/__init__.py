"""A new device from a few measurements: the knowledge of other devices, and the choice of networks to measure."""

from latkit.latency_models.transfer.experimental_design import choose_rows
from latkit.latency_models.transfer.inference import Inferred, infer
from latkit.latency_models.transfer.model import TransferModel, choose_networks
from latkit.latency_models.transfer.prior import Prior

__all__ = ["Inferred", "Prior", "TransferModel", "choose_networks", "choose_rows", "infer"]
