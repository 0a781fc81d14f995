"""Write `latkit/devices/provisioning/wheels.toml`: the wheels that `latkit device doctor --install` puts on devices.

    python -m benchmarks.pin_wheels [--only RUNTIME]

For every Python, processor and C library, pip resolves which versions fit together, from PyPI alone. Runtimes are
resolved together if possible, so that one added later is compatible with the others.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import tempfile
import time
from pathlib import Path

import tomli_w

from latkit.devices.provisioning.pip import isolated, selection
from latkit.devices.provisioning.wheels import GLIBC, PINS_FILE, Interpreter, Pins, pins
from latkit.runtimes import list_runtimes

PYTHONS = [(3, minor) for minor in range(8, 15)]
MACHINES = ("aarch64", "x86_64")
LAST_WITH_OLD_GLIBC = (3, 10)
"""A system whose C library is older than the newest of GLIBC has no newer Python."""
REQUIREMENTS = {wheels.pinned_as: wheels.alternatives for one in list_runtimes() if (wheels := one.wheels)}
RUNTIMES = tuple(REQUIREMENTS)
RESOLVE_S = 600.0


def resolve(interpreter: Interpreter, packages: list[str], pinned: dict[str, str]) -> dict[str, str] | None:
    """`NAME==VERSION` of what those packages need there, each with its wheel's SHA-256; None if there are no wheels."""
    with tempfile.TemporaryDirectory() as temporary:
        report, constraints = Path(temporary, "report"), Path(temporary, "constraints")
        constraints.write_text("\n".join(pinned))
        command, environment = isolated("install")
        options = ["--dry-run", "--ignore-installed", "--target", temporary, "--report", str(report)]
        options += ["--constraint", str(constraints), *selection(interpreter.version, interpreter.platforms())]
        done = subprocess.run(
            [*command, *options, *packages], env=environment, capture_output=True, timeout=RESOLVE_S, check=False
        )
        if done.returncode:
            return None
        found = json.loads(report.read_text())["install"]
    return {
        f"{item['metadata']['name']}=={item['metadata']['version']}": item["download_info"]["archive_info"]["hashes"][
            "sha256"
        ]
        for item in found
    }


def settle(interpreter: Interpreter, runtime: str, pinned: dict[str, str]) -> dict[str, str]:
    """The wheels that a runtime needs there, of the pinned versions if possible; none if there are none."""
    for alternative in REQUIREMENTS[runtime]:
        for versions in (pinned, {}) if pinned else ({},):
            if wheels := resolve(interpreter, ["pip", *alternative], versions):
                return wheels
    return {}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", action="append", help="Settle this runtime anew, and keep the others; repeat.")
    chosen = arguments.parse_args().only or list(RUNTIMES)
    known = pins() if PINS_FILE.is_file() else Pins(hashes={}, sets={})
    sets = {key: dict(runtimes) for key, runtimes in known.sets.items()}
    hashes = {name: set(found) for name, found in known.hashes.items()}
    together: dict[str, dict[str, str]] = {}
    begun = time.monotonic()
    for runtimes in (RUNTIMES[:2], RUNTIMES[2:]):  # torch takes by far the longest: pip fetches all of it
        for version, machine, minor in itertools.product(PYTHONS, MACHINES, GLIBC):
            if minor == GLIBC[0] and (version > LAST_WITH_OLD_GLIBC or "torch" in runtimes):
                continue
            requested = [name for name in runtimes if name in chosen]
            key = f"cp{version[0]}{version[1]}-{machine}-glibc2.{minor}"
            interpreter = Interpreter("python3", version, machine, (2, minor))
            if requested and "torch" not in requested:
                packages = ["pip", *(package for name in requested for package in REQUIREMENTS[name][0])]
                together[key] = resolve(interpreter, packages, {}) or {}
            pinned = together.get(key) or {name: "" for names in sets.get(key, {}).values() for name in names}
            for name in requested:
                if wheels := settle(interpreter, name, pinned):
                    sets.setdefault(key, {})[name] = sorted(wheels, key=str.lower)
                    for package, sha256 in wheels.items():
                        hashes.setdefault(package, set()).add(sha256)
            if requested:
                found = ", ".join(sets.get(key, ())) or "nothing"
                print(f"{time.monotonic() - begun:5.0f} s  {key}: {found}", flush=True)
                save(hashes, sets)


def save(hashes: dict[str, set[str]], sets: dict[str, dict[str, list[str]]]) -> None:
    """Write the file, without the hashes that no set uses any more."""
    used = {name for runtimes in sets.values() for names in runtimes.values() for name in names}
    document = {"hashes": {name: sorted(hashes[name]) for name in sorted(used, key=str.lower)}, "sets": sets}
    text = "# Written by benchmarks/pin_wheels.py: exact versions, and the SHA-256 of each wheel that may be taken.\n\n"
    PINS_FILE.write_text(text + tomli_w.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main()
