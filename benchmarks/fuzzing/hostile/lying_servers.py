"""Servers, phones and users that lie: SSH, adb, and leases that others left."""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.fuzzing.hostile.scenario import ESCAPES, PAYLOADS, Scenario


def pythons() -> Iterator[Scenario]:
    """The device's answers about its interpreter and its home."""
    for name, text in (
        ("of controls", ESCAPES.encode() + b"\n"),
        ("of many lines", b"/a\n/b\n[/red]\n"),
        ("of 10 MB", b"x" * 10**7),
        ("of no UTF-8", b"/\xff\xfe\n"),
        ("with NUL", b"/a\0b\n"),
        ("empty", b""),
    ):
        yield Scenario(f"interpreter {name}", "local", texts={"python": text})
        yield Scenario(f"interpreter over ssh {name}", "ssh", texts={"python": text})
        yield Scenario(f"home over ssh {name}", "ssh", texts={"home": text})


def servers() -> Iterator[Scenario]:
    for name, noise in (
        ("a number", b"1\n"),
        ("three lines", b"Welcome\n-1\n1\n"),
        ("5000 digits", b"9" * 5000 + b"\n"),
        ("controls", ESCAPES.encode() + b"\n"),
        ("no UTF-8", b"\xff\xfe\n"),
        ("10 MB", b"x" * 10**7),
        ("10 MB of lines", b"1\n" * 10**6),
    ):
        yield Scenario(f"ssh: {name} before the mark", "ssh", texts={"noise": noise})
    for pid in ("1", "0", "-1", "2", "99999999999", "9" * 5000, "x"):
        deeds = (("probe", "silence", ""),)  # so that the command times out, and is killed
        yield Scenario(f"ssh: process id {pid[:12]}", "ssh", pid=pid, deeds=deeds)
    yield Scenario("ssh: a sum for ever", "ssh", texts={"sha256": b"for ever"})
    yield Scenario("ssh: a sum never", "ssh", texts={"sha256": b"never"})
    yield Scenario("ssh: a sum of controls", "ssh", texts={"sha256": ESCAPES.encode(), "size": b"many words"})
    yield Scenario("ssh: a size of words", "ssh", texts={"sha256": b"0 0\n", "size": b"\x1b[2J\n", "other": b"words\n"})
    yield Scenario(
        "ssh: a size of digits", "ssh", texts={"sha256": b"0 0\n", "size": b"9" * 5000, "other": b"9" * 5000}
    )
    yield Scenario("ssh: a home for ever", "ssh", texts={"home": b"for ever"})
    yield Scenario("ssh: a boot id of controls", "ssh", texts={"boot": ESCAPES.encode()})
    for name in ("http", "controls", "nothing", "end", "flood", "long banner", "banner flood", "broken key exchange"):
        yield Scenario(f"no ssh: {name}", "ssh-talk", texts={"talk": name.encode()}, fails=True)


def phones() -> Iterator[Scenario]:
    for name, text in PAYLOADS.items():
        value = text.encode("utf-8", "surrogatepass")
        reply = b"".join(b"[%s]: [%s]\n" % (key, value) for key in (b"ro.product.model", b"ro.build.fingerprint"))
        yield Scenario(f"phone: properties of {name}", "phone", texts={"properties": reply})
    yield Scenario("phone: properties for ever", "phone", texts={"properties": b"for ever"})
    yield Scenario("adb: noise before the mark", "adb", texts={"noise": b"1\n-1\n"})
    for pid in ("1", "-1", "9" * 5000):
        yield Scenario(f"adb: process id {pid[:8]}", "adb", pid=pid, deeds=(("probe", "silence", ""),))
    for name, listing in (
        ("controls in a state", b"phone\t" + ESCAPES.encode() + b"\n"),
        ("controls in a serial", ESCAPES.encode() + b"[/red]\tdevice\nother\tdevice\n"),
        ("no permissions", b"phone\tno permissions (user in plugdev group); see [http://developer.android.com]\n"),
        ("equal serials", b"phone\tdevice\nphone\tdevice\n"),
        ("unauthorized", b"phone\tunauthorized\n"),
        ("a serial of question marks", b"????????????\tno permissions\n"),
        ("nothing", b""),
        ("no tabs", b"phone device\n"),
        ("no UTF-8", b"phone\t\xff\xfe\n"),
        ("many phones", b"x\tdevice\n" * 5000),
    ):
        yield Scenario(f"adb: {name}", "adb", texts={"listing": listing})
    for name, answers in (
        ("a refusal of controls", {"host:devices": b"FAIL" + b"%04x" % len(ESCAPES.encode()) + ESCAPES.encode()}),
        ("a length of nonsense", {"host:devices": b"OKAYzzzz"}),
        ("a length that lies", {"host:devices": b"OKAYffffshort"}),
        ("nonsense", {"host:devices": b"\x1b[2J\0\0\0"}),
        ("silence to devices", {"host:devices": b""}),
        ("silence to a version", {"host:": b""}),
        ("a refused transport", {"host:transport": b"FAIL0006\x1b[2Jno", "host:tport": b"FAIL0006\x1b[2Jno"}),
        ("a refused shell", {"shell": b"FAIL0006closed", "exec": b"FAIL0006closed"}),
        ("frames of 4 GB", {"shell": b"OKAY\x01\xff\xff\xff\xff" + b"x" * 10_000}),
        ("frames of no kind", {"shell": b"OKAY\x77\x04\0\0\0abcd" * 3}),
        ("a shell of silence", {"shell": b""}),
    ):
        yield Scenario(f"adb server: {name}", "adb", texts=answers)
    for name in (
        "silence",
        "end",
        "4 GB",
        "4 GB of content",
        "garbage",
        "flood",
        "auth for ever",
        "tls",
        "controls",
        "tiny packets",
    ):
        yield Scenario(f"no phone: {name}", "phone-talk", texts={"talk": name.encode()}, fails=True)
    yield Scenario("no adb server: silence", "adb-talk", texts={"talk": b"silence"}, fails=True)
    yield Scenario("no adb server: flood", "adb-talk", texts={"talk": b"flood"}, fails=True)
    yield Scenario("no adb server: http", "adb-talk", texts={"talk": b"http"}, fails=True)


def leases() -> Iterator[Scenario]:
    """What another user left in the shared folder. `{...}` of a good one, with other content in it."""
    for name, text in PAYLOADS.items():
        yield _lease(f"{name} in its texts", {"user": text, "host": text, "purpose": text, "since": text})
    for field_name in ("pid", "ttl_s", "renewed_s", "process_start"):
        for number, value in enumerate(("0", "1", "-1", "9" * 25, "1e18", "NaN", "9" * 5000, '"a"')):
            yield Scenario(
                f"lease: {field_name} as value {number}",
                "lease",
                "list",
                texts={"lease": f"{field_name}={value}".encode()},
            )
    for name in ("fifo", "folder", "link", "loop", "garbage", "10 MB", "empty", "deep"):
        yield Scenario(f"lease: {name}", "lease", "list", texts={"special": name.encode()})


def _lease(name: str, fields: dict[str, str]) -> Scenario:
    return Scenario(f"lease: {name}", "lease", "list", texts={"lease": json.dumps(fields).encode()})
