"""The forest of errors: every case is on it, where it belongs."""

import math
from pathlib import Path

import pytest

from exsim.evidence import INSIDE, NOT_SCORED, OUTSIDE, WITHIN_2X, Score
from exsim.evidence_case import EvidenceCase
from exsim.outputs.evidence_plots import forest_figure
from exsim.outputs.plot_style import save_figure


def score(id, error=None, verdict=WITHIN_2X, quantity="peak_fold", use="calibrate", reason="", **more):
    given = {
        "id": id,
        "config": "a",
        "config_path": Path("a.toml"),
        "analyte": "IL6",
        "unit": "fold",
        "line": 2,
    }
    case = EvidenceCase(
        **given | {"study": f"Study {id} 1999 J Physiol", "value": 10.0} | more, quantity=quantity, use=use
    )
    model = None if verdict == NOT_SCORED else 10.0 * math.exp(error or 0.0)
    return Score(case, model, error, verdict, reason)


SCORES = [
    score("P1", 0.9, OUTSIDE, use="predict"),
    score("C1", 0.2, low=5.0, high=15.0),
    score("C2", 9.0, OUTSIDE),
    score("C3", verdict=INSIDE, quantity="unchanged"),
    score("C4", verdict=NOT_SCORED, reason="the model has no such $analyte"),
    score("X1", verdict=NOT_SCORED, use="context", reason="used as context, not to score"),
]


@pytest.fixture
def axes():
    return forest_figure(SCORES, "il6_axis", "exsim 0.1.0").axes[0]


def test_every_case_has_a_row_under_the_heading_of_its_use(axes):
    rows = sorted(
        (text.get_position()[1], text.get_text()) for text in axes.texts if text.get_position()[0] < -0.9
    )
    assert [text.split("  ")[0] for _, text in rows if text] == [
        "Calibrated on", "C1", "C2", "C3", "C4", "Predicted", "P1", "Context, not scored", "X1",
    ]  # fmt: skip


def test_points_stand_at_model_over_target_and_beyond_the_axis_as_arrows(axes):
    points = [line for line in axes.lines if line.get_zorder() == 3]
    limits = axes.get_xlim()
    assert [point.get_xdata()[0] for point in points] == pytest.approx(
        [math.exp(0.2), limits[1], math.exp(0.9)]
    )
    assert [point.get_marker() for point in points] == ["o", ">", "o"]


def test_the_measured_interval_is_a_bar_relative_to_the_target(axes):
    (bar,) = [line for line in axes.lines if line.get_linewidth() == 4]
    assert list(bar.get_xdata()) == pytest.approx([0.5, 1.5])


def test_verdicts_and_reasons_are_written_where_there_is_no_point(axes):
    written = [text.get_text() for text in axes.texts]
    assert "✓ inside" in written
    assert "the model has no such $analyte" in written


def test_calibrate_and_predict_have_colours_of_their_own(axes):
    colours = [line.get_markeredgecolor() for line in axes.lines if line.get_zorder() == 3]
    assert colours[0] == colours[1] != colours[2]


@pytest.mark.parametrize("scores", [SCORES, SCORES[:1], []])
def test_any_number_of_cases_can_be_drawn(tmp_path, scores):
    save_figure(forest_figure(scores, "il6_axis"), tmp_path / "forest.png")
    assert (tmp_path / "forest.png").read_bytes().startswith(b"\x89PNG")
