"""Devices: their files, the transports to them, the agent that runs on them, and sessions with it."""

from latkit.devices.benchmark_model import BenchmarkTool, benchmark_tool
from latkit.devices.benchmark_model_session import measuring_with
from latkit.devices.check import Check
from latkit.devices.compatibility import environment_changes, open_unchanged
from latkit.devices.cores import cores_of, parse_cores
from latkit.devices.device import Core, Device, Facts
from latkit.devices.doctor import examine, healthy
from latkit.devices.holder import host_boot_id
from latkit.devices.install import install
from latkit.devices.lease import Lease, OnMessage, describe_holder, holder_of, is_this_host, lease_key, leased
from latkit.devices.quarantine import lift_quarantine, quarantine_of, quarantining
from latkit.devices.recovery import RecoveringSession
from latkit.devices.registry import add_device, list_devices, load_device, remove_device
from latkit.devices.session import Session, open_session
from latkit.devices.thermal import COOLING, Cooling
from latkit.devices.transports import Adb, Address, Local, Ssh, Transport, connect
from latkit.devices.trust import check_trusted, trust

__all__ = [
    "COOLING",
    "Adb",
    "Address",
    "BenchmarkTool",
    "Check",
    "Cooling",
    "Core",
    "Device",
    "Facts",
    "Lease",
    "Local",
    "OnMessage",
    "RecoveringSession",
    "Session",
    "Ssh",
    "Transport",
    "add_device",
    "benchmark_tool",
    "check_trusted",
    "connect",
    "cores_of",
    "describe_holder",
    "environment_changes",
    "examine",
    "healthy",
    "holder_of",
    "host_boot_id",
    "install",
    "is_this_host",
    "lease_key",
    "leased",
    "lift_quarantine",
    "list_devices",
    "load_device",
    "measuring_with",
    "open_session",
    "open_unchanged",
    "parse_cores",
    "quarantine_of",
    "quarantining",
    "remove_device",
    "trust",
]
