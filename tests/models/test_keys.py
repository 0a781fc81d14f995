from pathlib import Path

import pytest

from latkit.errors import BadFile, UsageError
from latkit.models import load_model, save_model
from latkit.models.keys import KeyTable, imported_model, key_of, ops_of, write_keys
from latkit.ops import Network, make_op
from latkit.spaces import proxyless_mobile
from latkit.targets import Target

ONCE_FOR_ALL = Path(__file__).parents[3] / "shared" / "data" / "ofa_note10_lut"

PROXYLESS = """
Conv-input:224x224x3-output:112x112x32: {count: 100, mean: 1.5, std: 0.1}
expanded_conv-input:112x112x32-output:112x112x16-expand:1-kernel:3-stride:1-idskip:0: {count: 100, mean: 2.0, std: 0.1}
expanded_conv-input:112x112x16-output:56x56x24-expand:6-kernel:7-stride:2-idskip:0: {count: 100, mean: 4.0, std: 0.2}
Conv_1-input:7x7x320-output:7x7x1280: {count: 100, mean: 1.0, std: 0.1}
Logits-input:7x7x1280-output:1000: {count: 100, mean: 0.5, std: 0.1}
"""


@pytest.fixture
def proxyless(tmp_path: Path) -> Path:
    path = tmp_path / "mobile.yaml"
    path.write_text(PROXYLESS)
    return path


def test_keys_of_proxylessnas_are_ops_of_its_space(proxyless: Path) -> None:
    found = KeyTable.read(proxyless).ops()
    assert set(found) <= set(proxyless_mobile().ops())
    milliseconds = {op.title: 1e3 * latency.seconds for op, latency in found.items()}
    assert milliseconds == pytest.approx(
        {
            "conv k3 s2 3x224x224 > 32": 1.5,
            "mbconv k3 e1 s1 32x112x112 > 16": 2.0,
            "mbconv k7 e6 s2 16x112x112 > 24": 4.0,
            "conv k1 s1 320x7x7 > 1280": 1.0,
            "pool average s1 1280x7x7": 0.0,
            "linear 1280 > 1000": 0.5,
        }
    )


def test_once_for_all_counts_the_channels_inside() -> None:
    words = "expanded_conv-input:56x56x32-output:56x56x32-expand:128-kernel:5-stride:1-idskip:1-se:0-hs:1"
    op = make_op("mbconv", (32, 56, 56), out_channels=32, kernel=5, expansion=4, activation="hswish", residual=True)
    assert ops_of(words) == [op]
    assert ops_of(words.replace("se:0", "se:1")) == []
    assert ops_of(words.replace("expand:128", "expand:129")) == []


@pytest.mark.parametrize("key", ["", "Conv", "Conv-input:1x1-output:1x1x3", "Other-input:1x1x1-output:1x1x1"])
def test_a_key_of_no_op_is_none(key: str) -> None:
    assert ops_of(key) == []


@pytest.mark.skipif(not ONCE_FOR_ALL.is_dir(), reason="Once-for-all's tables are not at hand")
@pytest.mark.parametrize("resolution", [160, 192, 224])
def test_the_published_tables_of_once_for_all_load_unchanged(resolution: int) -> None:
    table = KeyTable.read(ONCE_FOR_ALL / f"{resolution}_lookup_table.yaml")
    assert len(table.entries) == 96
    known = [key for key in table.entries if ops_of(key)]
    assert [key for key in table.entries if "se:1" not in key] == known
    assert len(table.ops()) == len(known) == 42


def test_what_is_imported_says_so_and_predicts(proxyless: Path, tmp_path: Path) -> None:
    save_model(imported_model(KeyTable.read(proxyless), Target("phone", "tflite")), tmp_path / "model.json")
    model = load_model(tmp_path / "model.json")
    assert model.origin_.imported.startswith("mobile.yaml, SHA-256 ")
    assert model.origin_.estimator == "imported"
    head = Network(proxyless_mobile().decode([0] * 21).ops[-3:])
    assert model.predict(head).seconds == pytest.approx(1.5e-3)


def test_a_written_table_reads_back_the_same(tmp_path: Path) -> None:
    ops = proxyless_mobile().ops()
    seconds = {op: 1e-6 * number for number, op in enumerate(ops, start=1)}
    count = write_keys(seconds, ops, tmp_path / "table.yaml")
    again = KeyTable.read(tmp_path / "table.yaml").ops()
    assert count == len(ops) - 1  # Logits holds two of them
    assert set(again) == set(ops)
    assert sum(latency.seconds for latency in again.values()) == pytest.approx(sum(seconds.values()))
    blocks = [op for op in ops if op.kind == "mbconv"]
    assert [again[op].seconds for op in blocks] == pytest.approx([seconds[op] for op in blocks])


def test_what_proxylessnas_has_no_key_for_is_refused() -> None:
    with pytest.raises(UsageError, match="no key"):
        key_of(make_op("activation", (8, 4, 4)))


@pytest.mark.parametrize(
    "text",
    ["", "- 1", "a: 1", "a: {mean: -1}", "a: {mean: .nan}", "a: [", "a: !!python/object/apply:os.system ['true']"],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(text)
    with pytest.raises(BadFile, match="ProxylessNAS or Once-for-all"):
        KeyTable.read(path)
    with pytest.raises(BadFile):
        KeyTable.read(tmp_path / "absent.yaml")
