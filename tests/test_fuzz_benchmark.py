"""The fuzzing benchmark prints every figure under its name, and detects the faults that it is for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.fuzz import KEYS
from benchmarks.fuzzing import trees
from benchmarks.fuzzing.failures import Failures
from benchmarks.fuzzing.hostile.scenarios import scenarios
from benchmarks.fuzzing.hostile.shell import Shell
from benchmarks.fuzzing.inputs import Input
from benchmarks.fuzzing.outcomes import ACCEPTED, RAW, REFUSED, TRACEBACK, UNTIDY, judged
from benchmarks.fuzzing.terminal import raw_characters
from benchmarks.fuzzing.writers import text
from latkit.errors import BadFile, LatkitError
from tests.forking import Forks

ROOT = Path(__file__).parents[1]


def fails(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadFile("a", "b", "c"), REFUSED),
        (LatkitError("one\ntwo"), UNTIDY),
        (LatkitError(""), UNTIDY),
        (ValueError("x"), TRACEBACK),
        (MemoryError(), TRACEBACK),
    ],
)
def test_outcomes_are_distinguished(error: BaseException, kind: str) -> None:
    assert judged(lambda: fails(error), lambda: "").kind == kind


def test_control_characters_in_the_output_are_detected() -> None:
    assert judged(lambda: None, lambda: "a\tb\n").kind == ACCEPTED
    assert judged(lambda: None, lambda: "a\x1b[2J").kind == RAW
    assert raw_characters("\x1b\x07\x9b\r\u202e\u200b\ufeff\ud800") == 8
    assert raw_characters("lines\n\tof words, ä, 中, 😀") == 0


def test_wrong_kills_are_detected() -> None:
    for command in ("kill -9 -1", "kill -9 1", "set -- 0 777; kill -9 0", "sh -c 'kill -9 \"$1\"' sh 1", "kill -9 77"):
        shell = Shell()
        assert shell.answer(command) == b""
        assert shell.wrong_kills == [command]
    shell = Shell()
    shell.answer('set -- 4242 777; kill -9 "-$p"; kill -9 "$p"')
    assert shell.kills
    assert not shell.wrong_kills


def test_mutations_differ_and_follow_from_their_seed() -> None:
    import random

    tree = trees.parse({"a": [1, 2.5, "x"], "b": {"c": None}})
    made = [trees.to_json(trees.mutated(random.Random(seed), tree)) for seed in range(200)]
    assert made == [trees.to_json(trees.mutated(random.Random(seed), tree)) for seed in range(200)]
    assert trees.to_json(tree) == '{"a": [1, 2.5, "x"], "b": {"c": null}}'
    assert len(set(made)) > 100


def test_the_smallest_input_of_a_place_is_saved(tmp_path: Path) -> None:
    failures = Failures(tmp_path)
    outcome = judged(lambda: fails(ValueError("x")), lambda: "")
    for content in (b"long", b"s", b"longer"):
        failures.add("npz", outcome, Input(content=content))
    failures.save()
    (path,) = tmp_path.glob("*.json")
    record, smallest = Failures.load(path)
    assert (record["count"], smallest.content) == (3, b"s")
    assert "npz: TRACEBACK ValueError" in (tmp_path / "summary.txt").read_text()


def test_every_transport_has_scenarios_with_unique_names() -> None:
    every = scenarios()
    assert len({one.name for one in every}) == len(every) >= 150
    assert {one.transport for one in every} == {
        "local",
        "ssh",
        "adb",
        "phone",
        "lease",
        "ssh-talk",
        "adb-talk",
        "phone-talk",
    }


def test_an_incomplete_text_is_detected() -> None:
    import hashlib

    head, _, body = text("x").partition("\n")
    assert hashlib.sha256(body.encode()).hexdigest() == head
    assert hashlib.sha256(body[:-1].encode()).hexdigest() != head


@pytest.mark.slow
def test_the_document_holds_every_figure_first(tmp_path: Path, forked: Forks) -> None:
    options = (
        f"--inputs 80 --readers table_json,series --seconds 1 --jobs 1 --only files,devices,writers --folder {tmp_path}"
    )
    command = [ROOT / "benchmarks" / "fuzz.py", *options.split(), "--scenarios", "controls in a state"]
    done = forked.run(*command, "--json")
    document = json.loads(done.stdout.splitlines()[-1])
    assert tuple(document)[: len(KEYS)] == KEYS, done.stderr
    assert document["inputs"] == 80
    assert document["hostile_scenarios"] == 1
    assert document["incomplete_reads"] == 0 < document["reads"]
    assert done.returncode == 0, done.stderr
