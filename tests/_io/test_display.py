import pytest

from latkit._io import html_card, one_line_repr
from latkit._io.display import MAX_ROWS
from latkit.latency_models import LookupModel
from latkit.profiling.profile import Profile
from latkit.spaces import load
from tests.builders import conv, measurements_of
from tests.profiling.profile.test_records import a_profile

EVIL = "<script>alert(1)</script>\x1b[2J"


def test_text_from_files_is_escaped() -> None:
    shown = html_card(EVIL, {EVIL: EVIL}, [{EVIL: EVIL}])
    assert "<script>" not in shown
    assert "\x1b" not in shown
    assert shown.count("&lt;script&gt;") == 5
    assert "\x1b" not in one_line_repr("Model", EVIL, {"name": EVIL})


def test_a_long_table_is_cut_and_says_so() -> None:
    shown = html_card("many", {}, [{"row": number} for number in range(MAX_ROWS + 7)])
    assert shown.count("<td>") == MAX_ROWS
    assert "7 more rows" in shown


def test_a_space_shows_its_size_in_one_line() -> None:
    space = load("proxyless-tiny")
    assert len(repr(space)) < 160
    assert f"choices {len(space.choices)}" in repr(space)
    assert space.choices[-1].name in space._repr_html_()
    frame = space.to_polars()
    assert len(frame) == sum(len(choice.options) for choice in space.choices)


def test_a_model_shows_its_target_and_ops() -> None:
    assert "not fitted" in repr(LookupModel())
    model = LookupModel().fit(measurements_of({conv(4): 5000, conv(8): 9000}))
    assert repr(model).startswith(f"<LookupModel of {model.origin_.target}: ")
    assert "ops 2" in repr(model)
    assert str(model.origin_.target) in model._repr_html_()
    frame = model.to_polars()
    assert frame["seconds"].to_list() == [one.seconds for one in model.ops_.values()]


@pytest.mark.parametrize("name", ["model.onnx", EVIL])
def test_a_profile_shows_its_latency_and_ops(name: str) -> None:
    profile: Profile = a_profile().model_copy(update={"model": name})
    assert f"p50 {profile.latency_ms.p50:.4g} ms" in repr(profile) == str(profile)
    assert "\n" not in repr(profile)
    assert "<script>" not in profile._repr_html_()
    assert profile.to_polars()["ms"].to_list() == [op.ms for op in profile.ops]
