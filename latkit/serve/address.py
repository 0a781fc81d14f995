"""The address at which the live view may listen."""

from __future__ import annotations

import ipaddress

from latkit.errors import UsageError


def checked(host: str, allow_remote: bool) -> str:
    """The IP address to listen at. Raises UsageError for one that other machines reach, unless that is allowed."""
    name = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        address = ipaddress.ip_address(name)
    except ValueError as error:
        raise UsageError(f"expected --host with an IP address such as 127.0.0.1, but found {host!r}") from error
    if not address.is_loopback and not allow_remote:
        raise UsageError(
            f"expected --host with an address of this machine only, such as 127.0.0.1, but found {host}; from another "
            "machine use: ssh -L 8417:127.0.0.1:8417 HOST, or pass --allow-remote if everyone on that network may "
            "read the traffic"
        )
    return str(address)
