"""TFLite: channels last, run completely by XNNPACK, and a silent converter."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from latkit.artifacts.export import export_subject
from latkit.errors import MissingExtra
from latkit.ops import make_op
from latkit.runtimes import get_runtime
from tests.forking import ROOT, Forks

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("litert_torch") is None, reason="litert-torch is not installed (extra: tflite)"
)

SILENT_SCRIPT = """
import logging, sys, warnings
from latkit.ops import OVERHEAD_PROBE
from latkit.runtimes import get_runtime
from latkit.artifacts.export import export_subject
assert "litert_torch" in sys.modules, "imported beforehand, with warnings as errors"
warnings.simplefilter("error")
export_subject(get_runtime("tflite"), OVERHEAD_PROBE, sys.argv[1])
assert logging.getLogger().handlers == []
"""


@pytest.mark.slow
def test_importing_and_converting_prints_nothing(tmp_path: Path, forked: Forks) -> None:
    done = forked.run("-c", SILENT_SCRIPT, tmp_path / "a.tflite", env={"PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert forked.printed_by_imports() == ""


@pytest.mark.slow
def test_images_go_in_and_come_out_channels_last_and_xnnpack_takes_all(tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    op = make_op("mbconv", (8, 6, 5), out_channels=16)
    artifact = export_subject(get_runtime("tflite"), op, tmp_path / "a.tflite", batch=2)
    interpreter = Interpreter(str(artifact.path))
    interpreter.allocate_tensors()
    assert interpreter.get_input_details()[0]["shape"].tolist() == [2, 6, 5, 8]
    assert interpreter.get_output_details()[0]["shape"].tolist() == [2, 6, 5, 16]
    assert [step["op_name"] for step in interpreter._get_ops_details()][-1] == "DELEGATE"


@pytest.mark.slow
def test_loggers_are_left_as_they_were_and_ops_are_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._export import utils

    root, listed = logging.getLogger(), Mock(wraps=utils._materialize_cpp_cia_ops)
    monkeypatch.setattr(utils, "_materialize_cpp_cia_ops", listed)
    before = root.handlers[:], root.level
    export_subject(get_runtime("tflite"), make_op("linear", (3,), out_features=2), tmp_path / "a.tflite")
    assert (root.handlers, root.level) == before
    listed.assert_called_once_with()
    assert utils._materialize_cpp_cia_ops is listed, "restored"


def test_without_the_extra_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    with pytest.raises(MissingExtra, match=r"litert-torch is not installed; install it with: pip install 'latkit\[tf"):
        export_subject(get_runtime("tflite"), make_op("linear", (3,), out_features=2), tmp_path / "a.tflite")
