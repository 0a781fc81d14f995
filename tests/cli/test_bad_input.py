"""Bad input: one clear line on stderr, exit code 1 or 2, nothing on stdout, nothing written."""

import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from latkit import zoo
from latkit.layout.series import Series
from latkit.measurements.frames import SCHEMA
from latkit.spaces import load
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.workspace import Workspace
from tests.builders import middle_path_s

TARGET = "here/onnxruntime"


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy of the workspace that a test may damage."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture
def refused(latkit, copy: Path) -> Iterator[object]:
    """Runs a command that must be refused in one line holding every phrase, and must change no file."""

    def run(code: int, phrases: list[str], *arguments: object) -> None:
        before = contents(copy)
        found, out, err = latkit("-C", copy, *arguments)
        assert (found, out) == (code, ""), err
        (line,) = err.strip().splitlines()
        assert line.startswith("error: ")
        for phrase in phrases:
            assert phrase in line
        assert contents(copy) == before

    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def space_options(copy: Path) -> list[object]:
    return ["--space", copy / "small.toml"]


def test_an_unknown_device(refused, copy: Path) -> None:
    phrases = ["unknown device 'pi4'", "known devices: here"]
    refused(2, phrases, "device", "show", "pi4")
    refused(2, phrases, "device", "doctor", "pi4")
    refused(2, phrases, "device", "remove", "pi4")
    refused(2, phrases, "collect", "space", "pi4/tflite", *space_options(copy))
    refused(2, phrases, "fit", "pi4/tflite")
    refused(2, phrases, "predict", "pi4/tflite", "net.json")
    refused(2, phrases, "measurements", "export", "pi4/tflite", "-o", copy / "x.parquet")


@pytest.mark.parametrize(
    ("target", "phrase"),
    [
        ("here", "DEVICE/RUNTIME"),
        ("here/caffe", "unknown runtime 'caffe'; known runtimes: onnxruntime"),
        ("here/tflite-t0", "t0"),
        ("here/tflite-int3", "int3"),
        ("here/tflite-t1-t2", "twice"),
        ("../evil/tflite", "DEVICE/RUNTIME"),
        ("../tflite", "a device's name"),
    ],
)
def test_a_malformed_target(refused, copy: Path, target: str, phrase: str) -> None:
    refused(2, [phrase], "collect", "space", target, *space_options(copy))


def test_more_threads_than_cores(refused, copy: Path) -> None:
    refused(2, ["threads"], "collect", "space", "here/onnxruntime-t4096", *space_options(copy))


@pytest.mark.parametrize(("cores", "phrase"), [("none", "such as 0, 0-3 or 0,2"), ("4095", "cannot be pinned to 4095")])
def test_cores_that_do_not_exist(refused, copy: Path, cores: str, phrase: str) -> None:
    refused(2, [phrase], "collect", "space", TARGET, *space_options(copy), "--pin", cores)


def test_an_unknown_space_or_file(refused) -> None:
    refused(2, ["unknown space 'resnet'", "proxyless-mobile"], "collect", "space", TARGET, "--space", "resnet")
    refused(2, ["none.toml", "no such file"], "collect", "space", TARGET, "--space", "none.toml")


def test_a_space_parameter_that_is_none(refused, copy: Path) -> None:
    refused(2, ["at least 8"], "collect", "space", TARGET, "--space", "proxyless-tiny", "--resolution", 2)
    refused(2, ["takes no parameters"], "collect", "space", TARGET, *space_options(copy), "--classes", 5)
    refused(2, ["--channels 1 or 3, but found 2"], "fit", TARGET, "--space", "proxyless-tiny", "--channels", 2)
    refused(
        2, ["knows --channels", "found proxyless-mobile"], "fit", TARGET, "--space", "proxyless-mobile", "--channels", 1
    )
    gray = ["--space", "proxyless-tiny", "--channels", 1]
    for command in (["fit"], ["validate"], ["table", "export", "-o", "t.json"]):
        refused(1, ["was not measured", " 1x32x32 "], *command, TARGET, *gray)
    search = ["search", TARGET, *gray, "--resolution", 8, "--data", "digits", "--latency-ms", 1, "--name", "x"]
    refused(1, ["was not measured", " 1x8x8 "], *search)


def test_a_space_file_with_a_wrong_field(refused, copy: Path) -> None:
    path = copy / "wrong.toml"
    path.write_text((copy / "small.toml").read_text().replace("kernel = [3, 5]", "kernal = [3, 5]"))
    refused(2, ["wrong.toml", "kernal"], "collect", "space", TARGET, "--space", path)
    path.write_text((copy / "small.toml").read_text().replace("repeat = 2", "repeat = 'two'"))
    refused(2, ["wrong.toml", "layers.1.repeat"], "collect", "space", TARGET, "--space", path)


def test_a_device_file_with_a_wrong_field(refused, copy: Path) -> None:
    path = copy / "devices" / "here.toml"
    path.write_text(path.read_text().replace("[facts]", "[facts]\ncolor = 'red'"))
    refused(2, ["here.toml", "facts.color"], "collect", "space", TARGET, *space_options(copy))
    refused(2, ["here.toml", "facts.color"], "device", "list")


def test_an_unreachable_host(refused) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    refused(1, ["127.0.0.1", str(port)], "device", "add", "pi", "--ssh", f"me@127.0.0.1:{port}")


def test_malformed_ways_to_a_device(refused) -> None:
    refused(2, ["[USER@]HOST[:PORT]"], "device", "add", "pi", "--ssh", "me@:99999")
    refused(2, ["one of --local, --ssh", "--adb SERIAL"], "device", "add", "pi")
    refused(2, ["one of --local, --ssh"], "device", "add", "pi", "--local", "--adb", "R58M")
    refused(2, ["a phone's SERIAL", "HOST:PORT"], "device", "add", "pi", "--adb", "host:99999")
    refused(1, ["cannot connect", "adb tcpip 5555"], "device", "add", "pi", "--adb", "127.0.0.1:1")
    refused(2, ["a device's name"], "device", "add", "../pi", "--local")
    refused(2, ["registered already"], "device", "add", "here", "--local")


def test_a_device_without_the_runtime(refused, copy: Path) -> None:
    path = copy / "devices" / "here.toml"
    text = path.read_text()
    path.write_text(text[: text.index("[runtimes]")] + "[runtimes]\n\n" + text[text.index("[transport]") :])
    refused(
        1, ["lacks the runtime onnxruntime", "doctor here --install"], "collect", "space", TARGET, *space_options(copy)
    )


def database(copy: Path) -> Path:
    return copy / "measurements" / "here" / "onnxruntime-t1-fp32-b1" / "measurements.sqlite"


def test_a_corrupt_database(refused, copy: Path) -> None:
    database(copy).write_bytes(b"garbage " * 1000)
    refused(2, ["measurements.sqlite", "not a database"], "fit", TARGET)


def test_a_database_of_another_program_is_refused(refused, copy: Path) -> None:
    database(copy).unlink()
    with sqlite3.connect(database(copy)) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    connection.close()
    refused(2, ["measurements.sqlite", "another program's"], "fit", TARGET)


def test_corrupt_and_unrelated_parquet_files_are_refused(refused, copy: Path) -> None:
    path = copy / "data.parquet"
    path.write_bytes(b"garbage")
    refused(2, ["data.parquet"], "measurements", "import", path)
    pl.DataFrame({"song": ["a"]}).write_parquet(path)
    refused(2, ["data.parquet", "another table"], "measurements", "import", path)
    pl.DataFrame(schema=SCHEMA).write_parquet(path)
    refused(2, ["data.parquet", "no rows"], "measurements", "import", path)
    refused(2, ["none.parquet", "no such file"], "measurements", "import", copy / "none.parquet")


def test_an_export_into_nowhere(refused, copy: Path) -> None:
    refused(2, ["none"], "measurements", "export", TARGET, "-o", copy / "none" / "data.parquet")
    refused(2, [".parquet"], "measurements", "export", TARGET, "-o", copy / "data.csv")


def test_an_onnx_that_is_none(refused, copy: Path) -> None:
    path = copy / "net.onnx"
    path.write_bytes(b"this is no protobuf")
    refused(2, ["net.onnx", "ONNX"], "predict", TARGET, path)
    path.write_bytes(b"")
    refused(2, ["net.onnx", "ONNX"], "predict", TARGET, path)
    refused(2, ["none.onnx", "no such file"], "predict", TARGET, copy / "none.onnx")


def test_a_network_that_is_none_or_not_of_what_was_measured(refused, copy: Path) -> None:
    path = copy / "net.json"
    path.write_text("[]")
    refused(2, ["net.json"], "predict", TARGET, path)
    zoo.load("mobilenetv2-1.0").save(path)
    refused(1, ["was not measured", "nearest measured"], "predict", TARGET, path)


def test_nothing_measured_or_fitted_yet(refused, copy: Path) -> None:
    arguments = ["here/onnxruntime-b2"]
    refused(1, ["nothing was measured", "latkit collect space here/onnxruntime-t1-fp32-b2"], "fit", *arguments)
    refused(1, ["no lookup model", "latkit fit"], "validate", *arguments, *space_options(copy))
    refused(2, ["unknown model kind 'forest'"], "validate", TARGET, *space_options(copy), "--model", "forest")


def test_a_space_without_measurements_is_reported(refused) -> None:
    refused(1, ["was not measured"], "table", "export", TARGET, "--space", "proxyless-tiny", "-o", "t.json")
    refused(1, ["was not measured"], "validate", TARGET, "--space", "proxyless-tiny")


def test_unpredictable_networks_are_reported_before_the_device_is_opened(refused, monkeypatch) -> None:
    monkeypatch.setattr(Workspace, "collection", lambda *_, **__: pytest.fail("the device was requested"))
    refused(1, ["was not measured"], "validate", TARGET, "--space", "proxyless-tiny")


def test_a_table_of_another_format(refused, copy: Path) -> None:
    refused(2, [".json or .safetensors"], "table", "export", TARGET, *space_options(copy), "-o", copy / "t.csv")
    refused(2, ["does not exist"], "table", "export", TARGET, *space_options(copy), "-o", copy / "none" / "t.json")


def test_a_latency_target_below_what_the_space_can_reach(refused, copy: Path) -> None:
    arguments = ["search", TARGET, *space_options(copy), "--data", "digits", "--name", "hasty", "--quick"]
    refused(1, ["can reach", "0.0001 ms", "its networks take from"], *arguments, "--latency-ms", 0.0001)


def test_more_random_networks_than_there_are(refused, copy: Path) -> None:
    space = load(str(copy / "small.toml"))
    table = LatencyTable(space, Workspace(copy).model(Target.parse(TARGET), space=space))
    arguments = ["search", TARGET, *space_options(copy), "--data", "digits", "--name", "hasty", "--quick"]
    arguments += ["--latency-ms", 1e3 * middle_path_s(table)]
    refused(2, ["expected 500 random networks", "ask for fewer"], *arguments, "--baseline", "random:500")


def test_a_search_to_continue_needs_its_name_and_its_request(refused) -> None:
    refused(2, ["found no TARGET, --space", "latkit search --resume --name NAME"], "search", "--resume")
    refused(2, ["request.json, but found none", "its full command again"], "search", "--resume", "--name", "x")


def test_bad_searches(refused, copy: Path) -> None:
    arguments = ["search", TARGET, *space_options(copy), "--latency-ms", 1]
    refused(2, ["unknown data 'mnist'"], *arguments, "--data", "mnist", "--name", "x")
    refused(2, ["a search's name"], *arguments, "--data", "digits", "--name", "../x")
    refused(2, ["networks", "100000"], "validate", TARGET, *space_options(copy), "--networks", 10**11)
    digits = ["--data", "digits", "--name", "x"]
    for latency, phrase in (("0", "greater than 0"), ("inf", "finite")):
        refused(2, [phrase], "search", TARGET, *space_options(copy), *digits, "--latency-ms", latency)
    refused(2, ["different names"], *arguments, "--latency-ms", "1.00000001", *digits)  # both would be x-1ms
    refused(2, ["--seed"], *arguments, *digits, "--seed", 10**23)
    refused(2, ["epochs"], *arguments, "--data", "digits", "--name", "x", "--set", "epochs=many")
    refused(2, ["epohcs"], *arguments, "--data", "digits", "--name", "x", "--set", "epohcs=3")
    refused(2, ["found no --data, --name", "latkit reproduce NAME"], *arguments)
    refused(2, ["unknown search 'none'"], "reproduce", "none", "--data", "digits", "--name", "again")
    Series.plan("both", [Target.parse(TARGET)], [1e-3, 2e-3]).save(copy / "search" / "both")
    refused(2, ["both is several: both-1ms, both-2ms; name one"], "reproduce", "both")
    refused(
        2, ["found TARGET, --seed, --set beside it"], "search", "--repeat", "x", TARGET, "--seed", 0, "--set", "a=1"
    )


def test_memory_that_runs_out_while_data_is_read(refused, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(*_given: object) -> None:
        raise MemoryError("Unable to allocate 9 GiB")

    monkeypatch.setattr("latkit.workspace.searches.search_job.load_data", hungry)
    arguments = ["search", TARGET, *space_options(copy), "--latency-ms", 1, "--data", "digits", "--name", "x"]
    refused(1, ["expected enough memory, but found: Unable to allocate 9 GiB"], *arguments)


def test_no_workspace(latkit, tmp_path: Path) -> None:
    for arguments in (["device", "list"], ["fit", TARGET], ["device", "add", "x", "--local"]):
        code, out, err = latkit("-C", tmp_path, *arguments)
        assert (code, out) == (2, "")
        assert "latkit init" in err
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["profil"], "no such command 'profil'. Did you mean 'profile'; see: latkit -h"),
        (["collect"], "missing command; see: latkit collect -h"),
        (["collect", "spac"], "no such command 'spac'. Did you mean 'space'; see: latkit collect -h"),
        (["collect", TARGET], "missing option '--space'; see: latkit collect space -h"),
        (["fit", "--zzz"], "no such option: --zzz; see: latkit fit -h"),
        (["serve", "--port", "99999"], "invalid value for '--port': Input should be less than or equal to 65535; see"),
        (["demo", __file__], f"expected a folder for the demo, but found that {__file__} is a file"),
        (["space", "show", "nasbench200"], "did you mean 'nasbench201'?"),
    ],
)
def test_a_usage_error_is_one_line(latkit, arguments: list[str], message: str) -> None:
    code, out, err = latkit(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_the_demo_wants_an_empty_folder(latkit, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    code, _, err = latkit("demo", tmp_path)
    assert code == 2
    assert "empty folder" in err
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
