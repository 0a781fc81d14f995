import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from latkit.errors import BadFile
from latkit.graphs import GraphBuilder
from latkit.measurements import Store
from latkit.measurements.store import APPLICATION_ID
from latkit.timing import Baseline, TimingPlan
from tests.builders import ENVIRONMENT, PLAN, TARGET, conv, make_measurement, make_round, network_of
from tests.forking import Forks
from tests.waiting import PATIENCE_S

BASELINE = Baseline(0.001, 40, True, 1.0)


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


def test_rounds_already_stored_are_skipped(tmp_path: Path) -> None:
    first = make_measurement(conv(8), 1000)
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        store.add_all([first])
        assert store.add_all([first]) == 0
        assert store.add_all([replace(first, repetition=1)]) == 2


def test_rounds_are_stored_per_environment_plan_role_and_repetition(tmp_path: Path) -> None:
    op, one_round = conv(8), make_round([5])
    cases = [
        (ENVIRONMENT, PLAN, "fit", 0),
        (replace(ENVIRONMENT, runtime_version="runtime 2"), PLAN, "fit", 0),
        (ENVIRONMENT, TimingPlan(rounds=9), "fit", 0),
        (ENVIRONMENT, PLAN, "validation", 0),
        (ENVIRONMENT, PLAN, "fit", 1),
    ]
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        for environment, plan, role, repetition in cases:
            store.add_round(op, environment, plan, one_round, role, repetition)
        found = store.measurements()
    assert [(one.environment, one.plan, one.role, one.repetition) for one in found] == cases
    assert all(one.rounds == (one_round,) for one in found)


@pytest.mark.slow
def test_a_kill_loses_no_more_than_the_round_in_progress(tmp_path: Path, forked: Forks) -> None:
    code = """
import sys
from pathlib import Path
from tests.builders import ENVIRONMENT, PLAN, TARGET, conv, make_round
from latkit.measurements import Store
store = Store(Path(sys.argv[1]), TARGET)
for number in range(10**6):
    store.add_round(conv(8), ENVIRONMENT, PLAN, make_round([5], started_at=float(number)))
    print(number, flush=True)
"""
    path = tmp_path / "m.sqlite"
    root = Path(__file__).parents[2]
    command = [forked.python(tmp_path), "-c", code, str(path)]
    env = {**os.environ, "PYTHONPATH": "."}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env=env) as process:
        assert process.stdout is not None
        for _ in range(20):
            output = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = [int(line) for line in process.stdout.read().split()]
    output = max([output, *rest])
    with Store(path, TARGET) as store:
        (measurement,) = store.measurements()
    assert len(measurement.rounds) in (output + 1, output + 2)
    assert [one_round.started_at for one_round in measurement.rounds[:20]] == list(range(20))


def test_an_unrelated_sqlite_file_is_refused_and_unchanged(tmp_path: Path) -> None:
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


def test_a_file_without_saved_baselines_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    measured = make_measurement(conv(8), 1000)
    with Store(path, TARGET) as store:
        store.add_all([measured])
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE scales")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with Store(path, TARGET) as store:
        assert store.baseline(ENVIRONMENT) is None
        assert store.measurements() == [measured]
        store.save_baseline(ENVIRONMENT, BASELINE)
    with Store(path, TARGET) as store:
        assert store.baseline(ENVIRONMENT) == BASELINE


def test_a_baseline_belongs_to_its_environment_and_is_read_with_its_measurements(tmp_path: Path) -> None:
    other = replace(ENVIRONMENT, baseline=1)
    measured = [make_measurement(conv(8), 1000), make_measurement(conv(8), 900, environment=other)]
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        store.add_all(measured)
        store.save_baseline(ENVIRONMENT, BASELINE)
        assert (store.baseline(ENVIRONMENT), store.baseline(other)) == (BASELINE, None)
        assert store.environments() == [ENVIRONMENT, other]
        found = store.measurements()
        assert found == [replace(measured[0], reference_s=BASELINE.reference_s), measured[1]]
    with Store(tmp_path / "elsewhere.sqlite", TARGET) as store:
        store.add_all(found)
        assert store.measurements() == found


def test_the_boot_id_is_that_of_the_latest_round(tmp_path: Path) -> None:
    with Store(tmp_path / "m.sqlite", TARGET) as store:
        assert store.latest_boot_id() == ""
        for boot in ("first", "second"):
            store.add_round(conv(8), ENVIRONMENT, PLAN, replace(make_round([5]), conditions={"boot_id": boot}))
        assert store.latest_boot_id() == "second"


@pytest.mark.slow
def test_many_may_make_the_same_file_at_once(tmp_path: Path, forked: Forks) -> None:
    code = """
import sys
from pathlib import Path
from tests.builders import ENVIRONMENT, PLAN, TARGET, conv, make_round
from latkit.measurements import Store
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    with Store(Path(sys.argv[1]) / f"{number}.sqlite", TARGET) as store:
        store.measurements()
"""
    command = [forked.python(tmp_path), "-c", code, str(tmp_path)]
    makers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for maker in makers:
        assert maker.stdout
        assert maker.stdout.readline() == b"ready\n"
    for maker in makers:
        assert maker.stdin
        maker.stdin.write(b"\n")
        maker.stdin.flush()
    for maker in makers:
        maker.communicate(timeout=2 * PATIENCE_S)
    assert [maker.returncode for maker in makers] == [0, 0]


def test_a_file_whose_creation_was_killed_is_completed(tmp_path: Path) -> None:
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


def test_the_latest_environment_is_that_of_the_latest_round(tmp_path: Path) -> None:
    with Store(tmp_path / "measurements.sqlite", TARGET) as store:
        assert store.latest_environment() is None
        governed = replace(ENVIRONMENT, governor="performance")
        for environment, started_at in ((governed, 2.0), (ENVIRONMENT, 1.0)):
            store.add_round(conv(8), environment, PLAN, make_round([1000], started_at=started_at))
        assert store.latest_environment() == governed
        assert {measurement.environment for measurement in store.measurements()} == {ENVIRONMENT, governed}


def test_a_graph_that_earlier_versions_wrote_otherwise_is_the_same_graph(tmp_path: Path) -> None:
    """They saved attributes as the exporter wrote them: here a convolution without its dilations."""
    b = GraphBuilder()
    graph, path = b.graph([b.conv(b.input(1, 3, 8, 8), 4)]), tmp_path / "store.sqlite"
    with Store(path, TARGET) as store:
        store.add_round(graph, ENVIRONMENT, PLAN, make_round([1, 2, 3]))
    document = json.loads(json.dumps(graph.to_json()))
    del document["nodes"][0]["attributes"]["dilations"]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE subjects SET key = 'old', document = ?", (json.dumps(document),))
        database.execute("UPDATE measurements SET key = 'old', subject_key = 'old'")
        database.execute("UPDATE visits SET measurement_key = 'old'")
    with Store(path, TARGET) as store:
        store.add_round(graph, ENVIRONMENT, PLAN, make_round([4, 5, 6]))
        (found,) = store.measurements()
    assert found.workload == graph
    assert [one_round.wall_ns for one_round in found.rounds] == [(1, 2, 3), (4, 5, 6)]
