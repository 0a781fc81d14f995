"""A night on two boards, shortened: unattended collection with random faults injected, and every round counted.

    python -m benchmarks.endurance [--minutes 30] [--seed 0] [--only FAULT]... [--folder DIR] [--json]

Two boards stand on this machine, each an sshd of its own with its own disk and boot id: one on loopback, the other in
a network namespace behind a cable. On each a command collects continuously; whatever ends it, it is started again, as
a user would. Each board suffers faults drawn by a seeded generator, each after the previous one was overcome. The
collecting process notes every round that its store has committed in a journal; at the end journal and store are
compared: no round may be lost or duplicated. Needs root, sshd, ip, mount and unshare. Ends with 1 if a count is off.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from benchmarks.night import FAULTS, NightBoard, Suffered, night_board
from latkit.cli.console import show_facts, show_table
from latkit.testing.boards.cable import cabled
from latkit.testing.boards.disk import small_disk
from latkit.testing.boards.sshd import make_sshd
from latkit.testing.host import free_port
from latkit.workspace import Workspace

BOARD_DISK_BYTES = 8 * 2**20
HOST_DISK_BYTES = 512 * 2**20

Row = dict[str, str | int | float | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", choices=list(FAULTS), default=[], help="May be given again.")
    parser.add_argument("--folder", type=Path, help="Where everything is kept afterwards, workspaces apart.")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["LATKIT_LEASES"] = str(folder / "leases")
        boards = two_boards(stack, folder)
        endure(boards, 60 * given.minutes, given.seed, given.only)
        rows, totals = by_kind(boards), {"minutes": given.minutes, "seed": given.seed, **count(boards)}
        for board in boards:
            (folder / f"{board.name}.endings").write_text("\n".join(board.endings) + "\n")
            board.server.kill()
    show_table("faults, and the outcome of each", rows)
    show_facts("visits counted", totals)
    if given.json:
        print(json.dumps({**totals, "by_kind": rows}))
    if totals["lost"] or totals["twice"] or totals["unexplained"] or totals["stuck"] or totals["agents_left"]:
        sys.exit(1)


def two_boards(stack: ExitStack, folder: Path) -> list[NightBoard]:
    """One on loopback, one behind a cable; removed with the stack."""
    server = folder / "server"
    shutil.rmtree(server, ignore_errors=True)
    server.mkdir()
    sshd = make_sshd(server)
    boards = []
    for name, cable in (("loopback", None), ("cabled", stack.enter_context(cabled()))):
        place = folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        disks = tuple(
            stack.enter_context(small_disk(place / disk, size))
            for disk, size in (("disk", BOARD_DISK_BYTES), ("workspace", HOST_DISK_BYTES))
        )
        board = night_board(name, sshd, place, (disks[0], disks[1]), free_port(), cable)
        stack.callback(board.server.kill)
        board.begin()
        boards.append(board)
    return boards


def endure(boards: list[NightBoard], seconds: float, seed: int, only: list[str]) -> None:
    """Collect on both boards for that time, while both suffer faults."""
    ended, end_s = threading.Event(), time.monotonic() + seconds
    collecting = [threading.Thread(target=board.collect_until, args=(ended,)) for board in boards]
    suffering = [
        threading.Thread(target=board.suffer_until, args=(end_s, random.Random(f"{seed}/{board.name}"), only))
        for board in boards
    ]
    for thread in [*collecting, *suffering]:
        thread.start()
    try:
        for thread in suffering:
            thread.join()
        ended.wait(max(end_s - time.monotonic(), 0))
    finally:
        ended.set()
    for thread in collecting:
        thread.join()
    time.sleep(2)  # until the last agents notice


def by_kind(boards: list[NightBoard]) -> list[Row]:
    """How often each fault came, what followed, and the seconds until rounds were committed again."""
    rows: list[Row] = []
    for kind in FAULTS:
        found: list[Suffered] = [one for board in boards for one in board.suffered if one.kind == kind]
        outcomes = Counter(one.outcome for one in found)
        rows.append(
            {
                "fault": kind,
                "injected": len(found),
                "outcome": ", ".join(f"{outcome} {times}" for outcome, times in outcomes.most_common()),
                "mean_s": sum(one.seconds for one in found) / len(found) if found else None,
                "longest_s": max((one.seconds for one in found), default=None),
            }
        )
    return rows


def count(boards: list[NightBoard]) -> Row:
    """Rounds in the journals and in the stores, and every mismatch."""
    totals: Counter[str] = Counter()
    for board in boards:
        noted = Counter(board.journal.read_text().splitlines())
        with Workspace(board.host_disk).store(board.target) as store:
            stored = Counter(
                f"{one.workload.key} {one_round.started_at!r}"
                for one in store.measurements()
                for one_round in one.rounds
            )
        unnoted = sum((stored - noted).values())
        totals["committed"] += sum(noted.values())
        totals["stored"] += sum(stored.values())
        totals["lost"] += sum((noted - stored).values())
        totals["twice"] += sum(times - 1 for times in stored.values())
        # a process may be killed after committing a round and before noting it
        totals["unnoted"] += unnoted
        totals["unexplained"] += max(unnoted - len(board.endings) - 1, 0)
        totals["faults"] += len(board.suffered)
        totals["stuck"] += sum(one.outcome == "STUCK" for one in board.suffered)
        totals["commands_started_again"] += len(board.endings)
        totals["doctor_asked"] += board.doctored
        totals["agents_left"] += len(board.agents())
    lost_s = sum(one.seconds for board in boards for one in board.suffered)
    return {**totals, "seconds_lost": lost_s, "seconds_lost_per_fault": lost_s / max(totals["faults"], 1)}


if __name__ == "__main__":
    main()
