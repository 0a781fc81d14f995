"""Devices: their files, the transports to them, the agent that runs on them, and sessions with it."""

from latkit.devices.android.benchmark_model import BenchmarkTool, benchmark_tool
from latkit.devices.android.benchmark_model_session import measuring_with
from latkit.devices.check import Check
from latkit.devices.cpu_topology import cores_of, parse_cores
from latkit.devices.device import Core, Device, Facts, PrecisionProbe
from latkit.devices.doctor import examine, healthy
from latkit.devices.leases.holder import host_boot_id
from latkit.devices.leases.lease import Lease, describe_holder, holder_of, is_this_host, lease_key, leased
from latkit.devices.leases.quarantine import lift_quarantine, quarantine_of, quarantining
from latkit.devices.provisioning.install import install
from latkit.devices.registry import add_device, list_devices, load_device, remove_device
from latkit.devices.sessions.compatibility import environment_changes, open_unchanged
from latkit.devices.sessions.model_profile import OpProfile, load_file, profile_ops, time_paced
from latkit.devices.sessions.recovery import RecoveringSession
from latkit.devices.sessions.session import Session, SessionOptions, open_session
from latkit.devices.sessions.thermal import COOLING, Cooling
from latkit.devices.transports import Adb, Address, Local, Ssh, Transport, connect, get_transport
from latkit.devices.trust import check_trusted, trust
from latkit.progress import OnMessage

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
    "OpProfile",
    "PrecisionProbe",
    "RecoveringSession",
    "Session",
    "SessionOptions",
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
    "get_transport",
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
    "load_file",
    "measuring_with",
    "open_session",
    "open_unchanged",
    "parse_cores",
    "profile_ops",
    "quarantine_of",
    "quarantining",
    "remove_device",
    "time_paced",
    "trust",
]
