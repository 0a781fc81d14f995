import json
from pathlib import Path

import pytest

from latkit.errors import BadFile, UsageError
from latkit.latency_models import LatencyModel, load_model
from latkit.latency_models.imported.proxyless_yaml import KeyTable, imported_model, key_of, ops_of, write_keys
from latkit.ops import Network, make_op
from latkit.spaces import proxyless_mobile
from latkit.targets import Target
from latkit.timing import Estimate

ONCE_FOR_ALL = Path(__file__).parents[4] / "shared" / "data" / "ofa_note10_lut"

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
    table_key = "expanded_conv-input:56x56x32-output:56x56x32-expand:128-kernel:5-stride:1-idskip:1-se:0-hs:1"
    op = make_op("mbconv", (32, 56, 56), out_channels=32, kernel=5, expansion=4, activation="hswish", residual=True)
    assert ops_of(table_key) == [op]
    (gated,) = ops_of(table_key.replace("se:0", "se:1"))
    assert (gated.kind, gated["squeeze"]) == ("mbconv_se", 32)
    assert ops_of(table_key.replace("expand:128", "expand:129")) == []


@pytest.mark.parametrize(
    "key",
    [
        "",
        "Conv",
        "Conv-input:1x1-output:1x1x3",
        "Conv-input:8x8x3-output:8",
        "Conv-input:8-output:8",
        "Conv-input:8x8x3-output:0x0x0",
        "Conv-input:8x8x3-output:8x8x" + "9" * 5000,
        "Conv-input:8x8x3-output:8x8x\u0663",
        "Other-input:1x1x1-output:1x1x1",
        "Logits-input:7x7-output:1",
        "expanded_conv-input:8x8x3-output:8x8x3",
        "expanded_conv-input:8x8x3-output:8x8x3-expand:x-kernel:3-stride:1-idskip:1",
        "expanded_conv-input:8x8x3-output:8x8x3-expand:6-kernel:" + "3" * 5000 + "-stride:1-idskip:1",
        "expanded_conv-input:8x8x3-output:8x8x3-expand:18-kernel:3-stride:1-idskip:1-se:0-hs:7",
    ],
)
def test_a_key_of_no_op_is_none(key: str) -> None:
    assert ops_of(key) == []


@pytest.mark.skipif(not ONCE_FOR_ALL.is_dir(), reason="Once-for-all's tables are not there")
@pytest.mark.parametrize("resolution", [160, 192, 224])
def test_the_published_tables_of_once_for_all_load_unchanged(resolution: int) -> None:
    table = KeyTable.read(ONCE_FOR_ALL / f"{resolution}_lookup_table.yaml")
    assert len(table.entries) == 96
    assert all(ops_of(key) for key in table.entries)
    assert len(table.ops()) == 96


def test_what_is_imported_says_so_and_predicts(proxyless: Path, tmp_path: Path) -> None:
    imported_model(KeyTable.read(proxyless), Target("phone", "tflite")).save(tmp_path / "model.json")
    model = load_model(tmp_path / "model.json", LatencyModel)
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


def test_a_table_of_merged_aliases_is_not_expanded(tmp_path: Path) -> None:
    levels = [f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}" for level in range(1, 10)]
    (tmp_path / "bomb.yaml").write_text("\n".join(["a0: &a0 {mean: 1}", *levels]))
    with pytest.raises(BadFile, match="a mapping with an anchor in line 1 in place of figures under 'a0'"):
        KeyTable.read(tmp_path / "bomb.yaml")


def imported(tmp_path: Path, text: str) -> LatencyModel:
    (tmp_path / "table.yaml").write_text(text)
    imported_model(KeyTable.read(tmp_path / "table.yaml"), Target("phone", "tflite")).save(tmp_path / "m.json")
    return load_model(tmp_path / "m.json", LatencyModel)


CONV = "Conv-input:224x224x3-output:112x112x32"
LOGITS = "Logits-input:7x7x32-output:1000"
POOL_AND_LINEAR = Network((make_op("pool", (32, 7, 7)), make_op("linear", (32,), out_features=1000)))


@pytest.mark.parametrize("spread", ["std: 0.2", "var: 0.04", "std: 0.2, var: 99"])
def test_var_is_a_variance_and_std_its_root(tmp_path: Path, spread: str) -> None:
    predicted = imported(tmp_path, f"{LOGITS}: {{count: 154, mean: 2.0, {spread}}}").predict(POOL_AND_LINEAR)
    assert predicted.seconds == pytest.approx(2e-3)
    assert predicted.interval == pytest.approx((2e-3 - 1.645 * 0.2e-3, 2e-3 + 1.645 * 0.2e-3))


def test_without_a_spread_no_interval_is_known(tmp_path: Path) -> None:
    model = imported(tmp_path, f"{LOGITS}: {{mean: 2.0, count: 1, std: 0}}\n{CONV}: {{mean: 1.0, std: 0.1}}")
    assert model.predict(POOL_AND_LINEAR).interval is None
    conv = make_op("conv", (3, 224, 224), out_channels=32, stride=2)
    assert model.predict(conv).interval == pytest.approx((1e-3 - 1.645e-4, 1e-3 + 1.645e-4))
    assert model.predict(Network((conv,))).interval is not None
    pool, linear = make_op("pool", (32, 112, 112)), make_op("linear", (32,), out_features=1000)
    model.ops_[pool] = Estimate(0.0, 0.0, 0.0)
    assert model.predict(Network((conv, pool, linear))).interval is None


def test_an_interval_of_no_width_in_an_older_file_is_none(tmp_path: Path) -> None:
    imported(tmp_path, f"{LOGITS}: {{mean: 2.0}}")
    document = json.loads((tmp_path / "m.json").read_text())
    assert [entry["low_s"] for entry in document["ops"]] == [0.0, None]
    for entry in document["ops"]:
        entry["low_s"] = entry["high_s"] = entry["seconds"]
    (tmp_path / "m.json").write_text(json.dumps(document))
    assert load_model(tmp_path / "m.json", LatencyModel).predict(POOL_AND_LINEAR).interval is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "the end of the file in place of keys"),
        ("- 1", "a list in line 1 in place of keys"),
        ("a: 1", "a single value in line 1 in place of figures under 'a'"),
        ("{}", "no key in it"),
        ("a: {}", "a.mean: Field required"),
        ("a: {mean: -1}", "a.mean: Input should be greater"),
        ("a: {mean: .nan}", "a.mean: Input should be a valid number"),
        ("a: {mean: nan}", "a.mean: "),
        ("a: {mean: 1e400}", "a.mean: "),
        ("a: {mean: 1e300}", "a.mean: Input should be less"),
        ("a: {mean: 1e-300}", "a.mean: Input should be greater"),
        ("a: {mean: 1, var: -1}", "a.var: Input should be greater"),
        ("a: {mean: 1, std: 1e99}", "a.std: Input should be less"),
        ("a: {mean: 2001-99-99}", "a.mean: Input should be a valid number"),
        ("a: {mean: !!int x}", "a.mean: Input should be a valid number"),
        ("a: {mean: 1" + "0" * 5000 + "}", "a.mean: "),
        ("a: {mean: 1, count: 1" + "0" * 5000 + "}", "a.count: "),
        ("a: {mean: 1, count: 99999999999999999999}", "a.count: "),
        ("a: {mean: 1}\na: {mean: 2}", "'a' twice, again in line 2"),
        ("a: {mean: 1, mean: 2}", "'mean' twice, again in line 1"),
        ("a: {mean: 1}\n---\nb: {mean: 1}", "several documents"),
        ("a: &a {mean: 1}\nb: *a", "a mapping with an anchor in line 1"),
        ("a: {mean: *a}", "an alias in line 1"),
        ("a: {mean: {}}", "a mapping in line 1 in place of a number as 'mean'"),
        ("a: [", "a list in line 1"),
        ("a: {mean: [", "a list in line 1"),
        ("a: {mean: 'x", "found unexpected end of stream"),
        ("a: !!python/object/apply:os.system ['true']", "a list in line 1 in place of figures"),
        ("a: {mean: !!python/name:os.system '1', b: 1}" + "\x07", ""),
        ("[" * 100_000, "a list in line 1"),
        ("\ud800: {mean: 1}", ""),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(text, errors="surrogatepass")
    with pytest.raises(BadFile, match="ProxylessNAS or Once-for-all") as caught:
        KeyTable.read(path)
    assert found in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(BadFile):
        KeyTable.read(tmp_path / "absent.yaml")
