"""Agents that lie: about the device, its conditions and their timings, and in the form of their answers."""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.fuzzing import trees
from benchmarks.fuzzing.hostile.agent import FACTS
from benchmarks.fuzzing.hostile.scenario import ALL_IN_ONE, DEEP, ESCAPES, HUGE, PAYLOADS, Scenario, quoted


def honest() -> Iterator[Scenario]:
    for transport in ("local", "ssh", "adb", "phone"):
        yield Scenario(f"honest {transport}", transport, fails=False)
    yield Scenario("honest doctor", "local", "doctor", fails=False)
    yield Scenario("honest collect", "local", "collect", fails=False)
    yield Scenario("honest list", "lease", "list", fails=False)


def texts_of_facts() -> Iterator[Scenario]:
    """Every text at once with each payload; each text alone with all of it."""
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


def values_of_facts() -> Iterator[Scenario]:
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


def contradictions() -> Iterator[Scenario]:
    """What is sent in place of an answer, before it or after it."""
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
    controls = ESCAPES.encode("utf-8").decode("latin-1") + "\xff [/red]\n"
    for name, last in (("controls as last words", controls), ("long last words", "z" * 10**7)):
        yield Scenario(name, "local", deeds=(("probe", "die", last),), fails=True)
    yield Scenario("garbage before any word", "local", deeds=(("start", "instead", "\x1b[2Jhello\n"),))
    yield Scenario("an endless line at the start", "local", deeds=(("start", "endless", "x"),))
    for name in ("an endless line", "garbage", "its end", "20 MB"):
        deed, text = deeds[name]
        yield Scenario(f"{name} over ssh", "ssh", deeds=(("probe", deed, text),))
        yield Scenario(f"{name} over adb", "adb", deeds=(("probe", deed, text),))


def conditions() -> Iterator[Scenario]:
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


def rounds() -> Iterator[Scenario]:
    for name in ("wall_ns", "cpu_ns", "preemptions", "reference_wall_ns"):
        for number, value in enumerate(("[]", "[1]", "[0, 0, 0]", "[-1, 1, 1]", "null", "[1.5, 1, 1]", '["a"]')):
            yield _round(f"{name} as list {number}", name, value)
        yield _round(f"{name} beyond 64 bits", name, f"[{2**63}, 1, 1]")
        yield _round(f"{name} of 400 digits", name, f"[{'9' * 400}, 1, 1]")
    for name, value in (
        ("turn", quoted("\ud800")),
        ("turn", str(trees.deep(250))),
        ("turn", "[]"),
        ("inference_ns", "1e400"),
        ("inference_ns", "9" * 400),
        ("inference_ns", '"a"'),
    ):
        yield _round(f"{name} as {value[:7]!r} of {len(value)}", name, value)
    yield _round("a million runs", "wall_ns", json.dumps([1_000_000] * 10**6))
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


def _round(name: str, field_name: str, value: str) -> Scenario:
    return Scenario(f"visit: {name}", "local", "collect", answers=(("time", ("result", field_name), value),))
