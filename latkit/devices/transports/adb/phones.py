"""The phones of the adb server: their serials and states as it prints them, with a remedy for each state."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from latkit._io import one_line
from latkit.errors import Unreachable

READY = "device"
NO_SERIAL = "(no serial number)"
HIDDEN_SERIAL = re.compile(r"\?+")
"""What adb prints in place of a serial that it may not read."""
REMEDIES = (
    (
        "unauthorized",
        "the phone does not trust this computer yet: unlock it, tap Always allow from this computer and Allow, then "
        "run the same command again",
    ),
    (
        "no permissions",
        "this user may not open it on USB: install udev rules for it (on Debian and Ubuntu: apt-get install "
        "android-sdk-platform-tools-common), join the group plugdev, run adb kill-server, and plug it in anew",
    ),
    ("offline", "it does not answer adb: wake it, plug it in anew, or run adb reconnect offline"),
    ("authorizing", "adb still asks it to trust this computer: unlock it, and run the same command again"),
    ("connecting", "adb still connects to it: run the same command again"),
    ("recovery", "it runs its recovery system: start Android, for example by adb reboot"),
    ("rescue", "it runs its recovery system: start Android, for example by adb reboot"),
    ("sideload", "it waits for an update: start Android, for example by adb reboot"),
    ("bootloader", "it stands in its boot loader: start Android, for example by fastboot reboot"),
    ("fastboot", "it stands in its boot loader: start Android, for example by fastboot reboot"),
)
"""Remedies by the beginning of the state."""


@dataclass(frozen=True, slots=True)
class ListedPhone:
    """A phone as the server lists it. `place` is where it is plugged in, such as `usb:1-1`, if that is known."""

    serial: str
    state: str
    place: str = ""
    transport_id: str = ""

    def request(self, requested: str) -> str:
        """The server's request that selects it: by its serial if it was named so, since that stays after replugging."""
        if self.serial == requested or not self.transport_id:
            return f"host:transport:{self.serial}"
        return f"host:transport-id:{self.transport_id}"


def listed(short: str, long: str) -> list[ListedPhone]:
    """The phones in the server's answers to `host:devices` and `host:devices-l`.

    Only the first separates a serial with spaces from a state with spaces; only the second says where it is plugged in.
    """
    details = long.splitlines()
    phones = []
    for line in short.splitlines():
        serial, tab, state = line.partition("\t")
        if not tab or not serial:
            continue
        detail = next((text for text in details if text.startswith(f"{serial} ")), "")
        if detail:
            details.remove(detail)
        rest = detail.removeprefix(serial).strip().removeprefix(state)
        place, transport_id = re.search(r"\b(usb:\S+)", rest), re.search(r"\btransport_id:([0-9]{1,9})\b", rest)
        phones.append(ListedPhone(serial, state, place[1] if place else "", transport_id[1] if transport_id else ""))
    return phones


def choose(phones: Sequence[ListedPhone], requested: str) -> ListedPhone:
    """The phone of that serial, or place, or `transport_id:N`. Raises Unreachable unless exactly one is ready."""
    same: list[Callable[[ListedPhone], bool]] = [
        lambda phone: phone.serial == requested,
        lambda phone: phone.place == requested,
        lambda phone: f"transport_id:{phone.transport_id}" == requested,
    ]
    found: list[ListedPhone] = next((some for is_it in same if (some := list(filter(is_it, phones)))), [])
    if not found:
        raise Unreachable(_absent(phones, requested))
    if len(found) > 1:
        raise Unreachable(
            f"expected one phone of serial {requested!r}, but adb has {len(found)}: unplug all but one, or name one "
            f"{_or_name(found)}"
        )
    phone = found[0]
    if phone.state != READY:
        remedy = next(
            (remedy_text for state, remedy_text in REMEDIES if phone.state.startswith(state)), "plug it in anew"
        )
        state = one_line(phone.state, 120)
        raise Unreachable(f"{requested}: expected a phone that is ready, but adb calls it '{state}': {remedy}")
    if phone.serial == NO_SERIAL and requested == NO_SERIAL:
        raise Unreachable(f"{NO_SERIAL} is what adb prints for a phone that has none: name it {_or_name(found)}")
    return phone


def _absent(phones: Sequence[ListedPhone], requested: str) -> str:
    names = sorted(f"{one_line(phone.serial, 80)} ({one_line(phone.state, 40)})" for phone in phones)
    there = ", ".join(names[:20]) or "none; is the phone plugged in, with USB debugging enabled?"
    hidden = any(HIDDEN_SERIAL.fullmatch(phone.serial) for phone in phones)
    hint = "; of a phone shown by question marks adb may not read the serial: see its state" if hidden else ""
    return f"expected a phone of serial {requested!r}, but the adb server has: {there}{hint}"


def _or_name(phones: Sequence[ListedPhone]) -> str:
    """Their alternative names, if these distinguish them."""
    ways = []
    places, ids = {phone.place for phone in phones} - {""}, {phone.transport_id for phone in phones} - {""}
    if len(places) == len(phones):
        ways.append(f"by where it is plugged in: --adb {min(places)}")
    if len(ids) == len(phones):
        ways.append(f"by its transport id, until it is plugged in anew: --adb transport_id:{min(ids)}")
    return ", or ".join(ways) or "by what adb devices -l shows of it: --adb usb:PLACE, or --adb transport_id:N"
