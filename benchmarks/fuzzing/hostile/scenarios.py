"""What a hostile device, server, phone or user does, each with a name: more than 150 of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.fuzzing import trees
from benchmarks.fuzzing.hostile.agent import FACTS

ESCAPES = "\x1b[31m\x1b]0;owned\x07\x9b2J\x7f"
PAYLOADS = {
    "escapes": ESCAPES,
    "markup": "Board [/rev2] [bold][link=x]",
    "bidi": "\u202egpj.exe\u2066\u200b\ufeff",
    "lines": "a\nerror: all is well\r\x0b",
    "surrogate": "\ud800",
    "long": "x" * 300_000,
}
ALL_IN_ONE = ESCAPES + "[/red]\u202e\u200b\r\ud800"
HUGE = ("NaN", "-1", "9223372036854775808", "1e400", "9" * 400, "9" * 5000, "1.5", "true", "null", '"7"', "[]", "{}")
DEEP = str(trees.deep(5000))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One hostile thing, met by one command and by what shows its traces."""

    name: str
    way: str
    """`local`, `ssh`, `adb`, `phone`, `lease`, or what else listens: `ssh-talk`, `adb-talk`, `phone-talk`."""
    command: str = "add"
    """`add`, `doctor`, `collect`; `list` of what looks at leases alone."""
    answers: tuple[tuple[str, tuple[str | int, ...], str], ...] = ()
    deeds: tuple[tuple[str, str, str], ...] = ()
    texts: dict[str, bytes] = field(default_factory=dict)
    """Of a shell's answers, an adb server's, or a lease's file (`lease`)."""
    pid: str = "4242"
    fails: bool | None = None
    """Whether the command must fail (True) or succeed (False); None where either is right."""

    @property
    def script(self) -> dict[str, Any]:
        """What the agent does wrong."""
        script: dict[str, Any] = {"answers": self.answers, "deeds": self.deeds}
        if "python" in self.texts and self.way == "local":
            script["python"] = self.texts["python"].decode("latin-1")
        return script


def quoted(text: str) -> str:
    return json.dumps(text)


def scenarios() -> list[Scenario]:
    """All of them; those that are honest come first, since without them the others prove nothing."""
    made = [
        *_honest(),
        *_texts_of_facts(),
        *_values_of_facts(),
        *_deeds(),
        *_conditions(),
        *_visits(),
        *_pythons(),
        *_servers(),
        *_phones(),
        *_leases(),
    ]
    assert len({one.name for one in made}) == len(made)
    return made


def _honest() -> Iterator[Scenario]:
    for way in ("local", "ssh", "adb", "phone"):
        yield Scenario(f"honest {way}", way, fails=False)
    yield Scenario("honest doctor", "local", "doctor", fails=False)
    yield Scenario("honest collect", "local", "collect", fails=False)
    yield Scenario("honest list", "lease", "list", fails=False)


def _texts_of_facts() -> Iterator[Scenario]:
    """Every text at once with each payload; each text by itself with all of it."""
    places = [("facts", name) for name in FACTS if isinstance(FACTS[name], str)]
    places += [("runtimes", "onnxruntime"), ("absent", "tflite")]
    lists = (("facts", "instruction_set", 0),)
    for name, text in PAYLOADS.items():
        everywhere = tuple(("probe", ("result", *place), quoted(text)) for place in (*places, *lists))
        yield Scenario(f"{name} in all facts", "local", answers=everywhere)
    for place in (*places, *lists):
        one = (("probe", ("result", *place), quoted(ALL_IN_ONE.replace("\ud800", ""))),)
        yield Scenario(f"controls in {'.'.join(map(str, place))}", "local", answers=one)
    surrogate = (("probe", ("result", "facts", "model"), quoted("\ud800")),)
    yield Scenario("surrogate in the model", "local", answers=surrogate)
    yield Scenario("controls over ssh", "ssh", answers=(("probe", ("result", "facts", "model"), quoted(ESCAPES)),))


def _values_of_facts() -> Iterator[Scenario]:
    numbers: tuple[tuple[str | int, ...], ...] = (("memory_bytes",), ("cores", 0, "max_khz"), ("cores", 0, "index"))
    for place in numbers:
        for number, value in enumerate(HUGE):
            yield Scenario(f"{'.'.join(map(str, place))} as value {number}", "local", answers=_fact(place, value))
    wrong = {"cores": ("[]", "null", "[1]", '"a"'), "model": ("7", "null", DEEP), "instruction_set": ("[1]", '"a"')}
    for name, values in wrong.items():
        for number, value in enumerate(values):
            yield Scenario(f"{name} of wrong type {number}", "local", answers=_fact((name,), value))
    for name, place, value in (
        ("facts absent", ("result", "facts"), "null"),
        ("runtimes as a list", ("result", "runtimes"), "[1, 2]"),
        ("absent as a number", ("result", "absent"), "3"),
        ("result as a list", ("result",), "[]"),
        ("result deep", ("result",), DEEP),
        ("many cores", ("result", "facts", "cores"), json.dumps([{"index": n} for n in range(50_000)])),
        ("extra fact", ("result", "facts", "x\x1b[2J"), "1"),
        ("id as a text", ("id",), '"1"'),
        ("id of another request", ("id",), "99"),
        ("id huge", ("id",), "9" * 5000),
    ):
        yield Scenario(name, "local", answers=(("probe", place, value),))
    for value in ("2", '"1"', "null", "9" * 400, "1e400", quoted(ESCAPES)):
        yield Scenario(
            f"protocol {value[:8]!r}", "local", answers=(("hello", ("result", "protocol"), value),), fails=True
        )


def _fact(place: tuple[str | int, ...], value: str) -> tuple[tuple[str, tuple[str | int, ...], str], ...]:
    return (("probe", ("result", "facts", *place), value),)


def _deeds() -> Iterator[Scenario]:
    """What is said in place of an answer, before it or after it."""
    deeds = {
        "garbage": ("instead", "\0\xff\xfe garbage \x1b[2J\n"),
        "html": ("instead", "<html>[/red]</html>\n"),
        "a number": ("instead", "7\n"),
        "null": ("instead", "null\n"),
        "deep": ("instead", DEEP + "\n"),
        "deep objects": ("instead", str(trees.deep(20_000, "{}")) + "\n"),
        "many digits": ("instead", "9" * 100_000 + "\n"),
        "an error with controls": (
            "instead",
            json.dumps({"id": 2, "error": {"kind": ESCAPES, "message": ALL_IN_ONE}}) + "\n",
        ),
        "an error without words": ("instead", '{"id": 2, "error": {}}\n'),
        "an error as a text": ("instead", '{"id": 2, "error": "x"}\n'),
        "a long error": ("instead", json.dumps({"id": 2, "error": {"kind": "k", "message": "y" * 10**6}}) + "\n"),
        "a heartbeat of nonsense": ("before", '{"heartbeat": [[]]}\n'),
        "empty lines": ("before", "\n\n\n"),
        "many heartbeats": ("before", '{"heartbeat": 1}\n' * 5000),
        "two answers": ("after", '{"id": 2, "result": {}}\n'),
        "20 MB": ("instead", "x" * (20 * 2**20) + "\n"),
        "an endless line": ("endless", "x"),
        "endless lines": ("endless", "garbage\n"),
        "endless heartbeats": ("endless", '{"heartbeat": 1}\n'),
        "silence": ("silence", ""),
        "a drip": ("drip", ""),
        "its end": ("exit", ""),
    }
    for name, (deed, text) in deeds.items():
        yield Scenario(f"{name} for an answer", "local", deeds=(("probe", deed, text),))
    words = ESCAPES.encode("utf-8").decode("latin-1") + "\xff [/red]\n"
    for name, last in (("controls as last words", words), ("long last words", "z" * 10**7)):
        yield Scenario(name, "local", deeds=(("probe", "die", last),), fails=True)
    yield Scenario("garbage before any word", "local", deeds=(("start", "instead", "\x1b[2Jhello\n"),))
    yield Scenario("an endless line at the start", "local", deeds=(("start", "endless", "x"),))
    for name in ("an endless line", "garbage", "its end", "20 MB"):
        deed, text = deeds[name]
        yield Scenario(f"{name} over ssh", "ssh", deeds=(("probe", deed, text),))
        yield Scenario(f"{name} over adb", "adb", deeds=(("probe", deed, text),))


def _conditions() -> Iterator[Scenario]:
    for name in ("load1", "free_disk_bytes", "free_memory_bytes", "monotonic_s", "unix_s"):
        for number, value in enumerate(HUGE[:7]):
            answers = (("conditions", ("result", name), value),)
            yield Scenario(f"{name} as value {number}", "local", "doctor", answers=answers)
    for name, place, value in (
        ("governor of controls", ("governor",), quoted(ALL_IN_ONE)),
        ("governor as a list", ("governor",), "[1]"),
        ("affinity as texts", ("affinity",), '["a"]'),
        ("affinity huge", ("affinity",), "[" + "9" * 400 + "]"),
    ):
        yield Scenario(f"doctor: {name}", "local", "doctor", answers=(("conditions", ("result", *place), value),))
    for name, value in (
        ("temperatures of many digits", '{"zone": ' + "9" * 400 + "}"),
        ("temperatures as texts", '{"zone": "hot"}'),
        ("temperatures of controls", json.dumps({ALL_IN_ONE: 1.0})),
        ("temperatures as a list", "[1, 2]"),
    ):
        answers = (("conditions", ("result", "temperatures_c"), value),)
        yield Scenario(f"collect: {name}", "local", "collect", answers=answers)
    for name, value in (
        ("frequencies of many digits", "[" + "9" * 400 + "]"),
        ("frequencies as texts", '["fast"]'),
        ("frequencies negative", "[-1, 0]"),
        ("a surrogate in what nobody knows", quoted("\ud800")),
        ("depth in what nobody knows", str(trees.deep(300))),
    ):
        answers = (("conditions", ("result", "frequencies_khz" if name[0] == "f" else "extra"), value),)
        yield Scenario(f"collect: {name}", "local", "collect", answers=answers)


def _visits() -> Iterator[Scenario]:
    for name in ("wall_ns", "cpu_ns", "preemptions", "reference_wall_ns"):
        for number, value in enumerate(("[]", "[1]", "[0, 0, 0]", "[-1, 1, 1]", "null", "[1.5, 1, 1]", '["a"]')):
            yield _visit(f"{name} as list {number}", name, value)
        yield _visit(f"{name} beyond 64 bits", name, f"[{2**63}, 1, 1]")
        yield _visit(f"{name} of 400 digits", name, f"[{'9' * 400}, 1, 1]")
    for name, value in (
        ("turn", quoted("\ud800")),
        ("turn", str(trees.deep(250))),
        ("turn", "[]"),
        ("inference_ns", "1e400"),
        ("inference_ns", "9" * 400),
        ("inference_ns", '"a"'),
    ):
        yield _visit(f"{name} as {value[:7]!r} of {len(value)}", name, value)
    yield _visit("a million runs", "wall_ns", json.dumps([1_000_000] * 10**6))
    for name, place, value in (
        ("no handle", ("handle",), "null"),
        ("a handle of depth", ("handle",), DEEP),
        ("a version of controls", ("runtime_version",), quoted(ALL_IN_ONE.replace("\ud800", ""))),
        ("a version with a surrogate", ("runtime_version",), quoted("\ud800")),
        ("a version that is none", ("runtime_version",), "7"),
        ("a delegate of controls", ("delegate",), quoted(ESCAPES + "[/red]")),
        ("no result", (), "{}"),
    ):
        yield Scenario(f"load: {name}", "local", "collect", answers=(("load", ("result", *place), value),))
    for name, value in (("as texts missing", "{}"), ("of numbers", '{"sha256": [1]}'), ("endless", "[" * 10)):
        yield Scenario(f"files {name}", "local", "collect", answers=(("files", ("result",), value),))


def _visit(name: str, field_name: str, value: str) -> Scenario:
    return Scenario(f"visit: {name}", "local", "collect", answers=(("time", ("result", field_name), value),))


def _pythons() -> Iterator[Scenario]:
    """What the device says when it is asked for its interpreter and its home."""
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


def _servers() -> Iterator[Scenario]:
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
        deeds = (("probe", "silence", ""),)  # so that the command is given up, and killed
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


def _phones() -> Iterator[Scenario]:
    for name, text in PAYLOADS.items():
        value = text.encode("utf-8", "surrogatepass")
        said = b"".join(b"[%s]: [%s]\n" % (key, value) for key in (b"ro.product.model", b"ro.build.fingerprint"))
        yield Scenario(f"phone: properties of {name}", "phone", texts={"properties": said})
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


def _leases() -> Iterator[Scenario]:
    """What another user has left in the folder that all share. `{...}` of a good one, with something else in it."""
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
