import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from latkit.errors import BadFile
from latkit.graphs import GraphBuilder
from latkit.measurements import Store
from latkit.measurements.store import APPLICATION_ID
from latkit.timing import Scale, TimingPlan
from tests.builders import PLAN, SETUP, TARGET, conv, make_measurement, make_visit, network_of

SCALE = Scale(0.001, 40, True, 1.0)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    op, network = (
        make_measurement(conv(8), 1000),
        make_measurement(network_of(conv(8), conv(8)), 2000, role="validation"),
    )
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        assert store.add_all([op, network]) == 4
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        assert store.measurements() == [op, network]
        assert store.measurements("validation") == [network]


def test_visits_already_here_are_left_out(tmp_path: Path) -> None:
    first = make_measurement(conv(8), 1000)
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        store.add_all([first])
        assert store.add_all([first]) == 0
        assert store.add_all([replace(first, repetition=1)]) == 2


def test_visits_are_per_setup_plan_role_and_repetition(tmp_path: Path) -> None:
    op, visit = conv(8), make_visit([5])
    words = [
        (SETUP, PLAN, "fit", 0),
        (replace(SETUP, runtime_version="runtime 2"), PLAN, "fit", 0),
        (SETUP, TimingPlan(visits=9), "fit", 0),
        (SETUP, PLAN, "validation", 0),
        (SETUP, PLAN, "fit", 1),
    ]
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        for setup, plan, role, repetition in words:
            store.add_visit(op, setup, plan, visit, role, repetition)
        found = store.measurements()
    assert [(one.setup, one.plan, one.role, one.repetition) for one in found] == words
    assert all(one.visits == (visit,) for one in found)


def test_a_kill_loses_at_most_the_visit_in_flight(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from tests.builders import PLAN, SETUP, TARGET, conv, make_visit
from latkit.measurements import Store
store = Store(Path(sys.argv[1]), TARGET)
for number in range(10**6):
    store.add_visit(conv(8), SETUP, PLAN, make_visit([5], started_at=float(number)))
    print(number, flush=True)
"""
    path = tmp_path / "m.sqlite"
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(path)]
    environment = {**os.environ, "PYTHONPATH": "."}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env=environment) as process:
        assert process.stdout is not None
        for _ in range(20):
            said = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = [int(line) for line in process.stdout.read().split()]
    said = max([said, *rest])
    with Store(path, TARGET) as store:
        (measurement,) = store.measurements()
    assert len(measurement.visits) in (said + 1, said + 2)
    assert [visit.started_at for visit in measurement.visits[:20]] == list(range(20))


def test_a_foreign_sqlite_file_is_refused_and_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(BadFile, match="another program's SQLite file"):
        Store(path, TARGET)
    assert path.read_bytes() == before


def test_a_corrupt_file_is_refused_and_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    path.write_bytes(b"not a database at all, but long enough to look like one" * 100)
    before = path.read_bytes()
    with pytest.raises(BadFile, match=r"m\.sqlite: expected latkit's measurements in SQLite, but found file is not"):
        Store(path, TARGET)
    assert path.read_bytes() == before


def test_a_file_from_before_scales_were_kept_gets_them(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    measured = make_measurement(conv(8), 1000)
    with Store(path, TARGET) as store:
        store.add_all([measured])
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE scales")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with Store(path, TARGET) as store:
        assert store.scale(SETUP) is None
        assert store.measurements() == [measured]
        store.keep_scale(SETUP, SCALE)
    with Store(path, TARGET) as store:
        assert store.scale(SETUP) == SCALE


def test_a_scale_belongs_to_its_setup_and_comes_with_its_measurements(tmp_path: Path) -> None:
    other = replace(SETUP, scale=1)
    measured = [make_measurement(conv(8), 1000), make_measurement(conv(8), 900, setup=other)]
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        store.add_all(measured)
        store.keep_scale(SETUP, SCALE)
        assert (store.scale(SETUP), store.scale(other)) == (SCALE, None)
        assert store.setups() == [SETUP, other]
        found = store.measurements()
        assert found == [replace(measured[0], reference_s=SCALE.reference_s), measured[1]]
    with Store(tmp_path / "elsewhere.sqlite", TARGET) as store:
        store.add_all(found)
        assert store.measurements() == found


def test_the_boot_id_of_the_latest_visit(tmp_path: Path) -> None:
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        assert store.latest_boot_id() == ""
        for boot in ("first", "second"):
            store.add_visit(conv(8), SETUP, PLAN, replace(make_visit([5]), conditions={"boot_id": boot}))
        assert store.latest_boot_id() == "second"


def test_many_may_make_the_same_file_at_once(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from tests.builders import PLAN, SETUP, TARGET, conv, make_visit
from latkit.measurements import Store
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    with Store(Path(sys.argv[1]) / f"{number}.sqlite", TARGET) as store:
        store.measurements()
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    makers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for maker in makers:
        assert maker.stdout
        assert maker.stdout.readline() == b"ready\n"
    for maker in makers:
        assert maker.stdin
        maker.stdin.write(b"\n")
        maker.stdin.flush()
    for maker in makers:
        maker.communicate(timeout=60)
    assert [maker.returncode for maker in makers] == [0, 0]


def test_a_file_whose_maker_was_killed_half_way_is_made_whole(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "m.sqlite") as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        assert store.measurements() == []


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    Store(path, TARGET).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(BadFile, match="format 2, but found format 99"):
        Store(path, TARGET)


def test_the_latest_setup_is_that_of_the_latest_visit(tmp_path: Path) -> None:
    with Store(tmp_path / "measurements.sqlite", TARGET) as store:
        assert store.latest_setup() is None
        governed = replace(SETUP, governor="performance")
        for setup, started_at in ((governed, 2.0), (SETUP, 1.0)):
            store.add_visit(conv(8), setup, PLAN, make_visit([1000], started_at=started_at))
        assert store.latest_setup() == governed
        assert {measurement.setup for measurement in store.measurements()} == {SETUP, governed}


def test_a_graph_that_earlier_versions_wrote_otherwise_is_the_same_graph(tmp_path: Path) -> None:
    """They kept attributes as the exporter wrote them: here a convolution without its dilations."""
    b = GraphBuilder()
    graph, path = b.graph([b.conv(b.input(1, 3, 8, 8), 4)]), tmp_path / "store.sqlite"
    with Store(path, TARGET) as store:
        store.add_visit(graph, SETUP, PLAN, make_visit([1, 2, 3]))
    document = json.loads(json.dumps(graph.to_json()))
    del document["nodes"][0]["attributes"]["dilations"]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE subjects SET key = 'old', document = ?", (json.dumps(document),))
        database.execute("UPDATE measurements SET key = 'old', subject_key = 'old'")
        database.execute("UPDATE visits SET measurement_key = 'old'")
    with Store(path, TARGET) as store:
        store.add_visit(graph, SETUP, PLAN, make_visit([4, 5, 6]))
        (found,) = store.measurements()
    assert found.subject == graph
    assert [visit.wall_ns for visit in found.visits] == [(1, 2, 3), (4, 5, 6)]
