"""The figures of runs: what is on them, that nothing overlaps, that every shape of run can be drawn."""

import itertools
import json
import struct

import numpy as np
import pytest

from exsim.outputs.plot_style import log_limits, plain_number, save_figure, spread
from exsim.outputs.plots import overlay_figure, run_figure


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def png_size(figure, path):
    save_figure(figure, path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    return struct.unpack(">II", content[16:24])


def data_lines(axes):
    return [line for line in axes.lines if line.get_zorder() == 3]


def week(make_run):
    return make_run(bouts=tuple((24.0 * day, 24.0 * day + 1.5) for day in range(7)), until_h=180.0)


def zeros(make_run):
    ds = make_run()
    ds["IL6"].values[:] = 0.0
    ds["TNF"].values[:50] = 0.0
    return ds


def infusion(make_run):
    return make_run(
        bouts=(),
        infusions=json.dumps([{"input": "il6_infusion", "start_h": 0.0, "end_h": 3.0, "level": 1.0}]),
        boluses=json.dumps([{"target": "LPS", "time_h": 2.5, "dose": 0.06}]),
    )


SHAPES = {
    "a marathon": lambda make: make(),
    "no bout": lambda make: make(bouts=()),
    "a week": week,
    "zero values": zeros,
    "one analyte": lambda make: make(analytes=("IL6",)),
    "no analyte": lambda make: make(analytes=()),
    "an infusion and a bolus": infusion,
    "dollar signs and accents": lambda make: make(title="Läufer β: $5 and \\frac{$ in a_b^c"),
    "letters that few fonts have": lambda make: make(title="マラソン 血漿 מרתון"),
    "ten minutes": lambda make: make(bouts=((0.0, 0.05),), until_h=0.17),
    "a year": lambda make: make(bouts=((0.0, 2.0),), until_h=8760.0),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_run_becomes_a_sharp_picture_without_a_warning(make_run, shape, tmp_path):
    ds = SHAPES[shape](make_run)
    width, height = png_size(run_figure(ds), tmp_path / "a.partial")
    assert width >= 1000
    assert height >= 800
    assert png_size(overlay_figure([ds, make_run()]), tmp_path / "b")[0] >= 1000


def test_two_panels_concentration_and_fold_on_log_axes_with_units(make_run):
    level, fold = run_figure(make_run()).axes
    assert level.get_yscale() == fold.get_yscale() == "log"
    assert "pg/mL" in level.get_ylabel()
    assert "fold over rest" in fold.get_ylabel()
    assert level.get_xlabel() == fold.get_xlabel() == "time (h)"


def test_ng_per_ml_is_drawn_in_pg_per_ml_and_nmol_per_litre_only_as_fold(make_run):
    ds = make_run()
    level, fold = run_figure(ds).axes
    assert len(data_lines(level)) == 5
    assert len(data_lines(fold)) == 6
    receptor = data_lines(level)[4].get_ydata()
    np.testing.assert_allclose(receptor, ds["sTNFR1"].values * 1000.0, rtol=1e-12)


def test_what_is_not_to_be_plotted_is_left_out(make_run):
    shown = texts(run_figure(make_run()))
    assert "cortisol" in shown
    assert not any("glycogen" in text for text in shown)


def test_each_bout_is_shaded_at_its_time(make_run):
    ds = make_run(bouts=((1.0, 2.0), (4.0, 5.5)))
    axes = run_figure(ds).axes[0]
    spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
    assert spans == [(1.0, 2.0), (4.0, 5.5)]


def test_of_intervals_the_work_is_shaded_and_the_caption_counts_it(make_run):
    bout = {"start_h": 1.0, "end_h": 1.0 + 25 / 60, "intensity": 0.906, "modality": "running"}
    bout |= {"intervals": 4, "work_h": 4 / 60, "rest_h": 3 / 60}
    ds = make_run()
    ds.attrs["bouts"] = json.dumps([bout])
    figure = run_figure(ds)
    spans = [(patch.get_x(), patch.get_width()) for patch in figure.axes[0].patches]
    assert spans == [(pytest.approx(1.0 + 7 / 60 * n), pytest.approx(4 / 60)) for n in range(4)]
    (caption,) = [text for text in texts(figure) if text.startswith("shaded:")]
    assert "4 × 4 min with 3 min of rest between" in caption
    assert "25 min" not in caption


def test_infusions_and_doses_are_called_as_their_analytes(make_run):
    infusions = [{"input": name, "start_h": 0.0, "end_h": 1.0} for name in ("il1ra_infusion", "sugar_drip")]
    ds = make_run(infusions=json.dumps(infusions), boluses='[{"target": "IL10", "time_h": 1}]')
    ds["IL1RA"].attrs["long_name"], ds["IL10"].attrs["long_name"] = "IL-1RA", "IL-10"
    (caption,) = [text for text in texts(run_figure(ds)) if "blue bar" in text]
    assert "blue bar: IL-1RA infusion, sugar drip" in caption
    assert "dashed: IL-10 given at once" in caption


@pytest.mark.parametrize(("count", "length"), [(2, 12), (7, 24), (30, 8), (3, 300)])
def test_an_overlay_of_many_runs_names_as_many_as_fit_and_counts_the_rest(make_run, count, length):
    names = [f"run_{number}".ljust(length, "x") for number in range(count)]
    figure = overlay_figure([make_run()] * count, names)
    (title,) = [text for text in texts(figure) if "compared" in text]
    assert "…" not in title
    words = title.replace("\n", " ")
    shown = sum(name in words for name in names)
    if shown == count:
        assert "more" not in words
    elif shown:
        assert words.endswith(f"and {count - shown} more")
    else:
        assert words == f"{count} runs compared"
    assert shown == count or count > 2


def test_a_week_is_shown_in_days(make_run):
    axes = run_figure(week(make_run)).axes[0]
    assert axes.get_xlabel() == "time (days)"
    assert axes.get_xlim()[1] == pytest.approx(7.5)
    assert axes.patches[3].get_x() == pytest.approx(3.0)


def test_title_and_source_line_come_from_the_run(make_run):
    shown = texts(run_figure(make_run(title="What does a marathon do?")))
    assert "What does a marathon do?" in shown
    assert any("il6_axis" in text and "exsim 0.1.0" in text for text in shown)
    assert any("running at 80 % of VO₂max, 3 h 26 min" in text for text in shown)


def test_values_of_zero_leave_gaps_and_say_that_there_is_no_fold(make_run):
    figure = run_figure(zeros(make_run))
    level = figure.axes[0]
    assert len(data_lines(level)) == 4
    assert any(np.isnan(line.get_ydata()).sum() == 50 for line in data_lines(level))
    assert "no fold for IL6, TNF: nothing at rest" in texts(figure)


@pytest.mark.parametrize("shape", ["a marathon", "no bout", "a week"])
def test_names_at_the_ends_of_lines_never_overlap_and_stay_inside_the_picture(make_run, shape):
    figure = run_figure(SHAPES[shape](make_run))
    figure.canvas.draw()
    for axes in figure.axes:
        boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
        assert len(boxes) >= 5
        assert all(low.y1 <= high.y0 + 1.0 for low, high in itertools.pairwise(boxes))
        assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_overlay_has_a_panel_per_analyte_and_a_line_per_run(make_run):
    second = make_run(bouts=((0.0, 1.0),), until_h=12.0)
    second.attrs["config"] = "cycling_60min"
    second["sTNFR1"].attrs["units"] = "pg/mL"
    second["sTNFR1"].values[:] *= 1000.0
    figure = overlay_figure([make_run(), second])
    drawn = [axes for axes in figure.axes if data_lines(axes)]
    assert [axes.get_title(loc="left") for axes in drawn] == [
        "IL6",
        "IL1RA",
        "IL10",
        "TNF",
        "sTNFR1",
        "cortisol",
    ]
    assert {len(data_lines(axes)) for axes in drawn} == {2}
    # The second run's receptor is in pg/mL and drawn in the first run's ng/mL.
    assert data_lines(drawn[4])[1].get_ydata()[0] == pytest.approx(1.0)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["marathon", "cycling_60min"]


def test_overlay_of_nothing_is_a_fault_of_the_caller():
    with pytest.raises(ValueError, match="no runs"):
        overlay_figure([])


def test_names_move_apart_as_little_as_needed():
    assert spread([0.5, 0.5], 0.1, 0.0, 1.0) == pytest.approx([0.55, 0.45])
    assert spread([0.2, 0.8], 0.1, 0.0, 1.0) == pytest.approx([0.2, 0.8])
    assert spread([0.0, 0.02], 0.1, 0.0, 1.0) == pytest.approx([0.0, 0.1])
    assert spread([1.0, 1.0, 0.95], 0.1, 0.0, 1.0) == pytest.approx([1.0, 0.9, 0.8])


def test_a_log_axis_never_shows_more_than_six_decades_and_never_magnifies_noise():
    low, high = log_limits([np.array([1e-300, 1.0])], 4.0)
    assert high / low < 10**7.5
    low, high = log_limits([np.array([1.0, 1.0 + 1e-9])], 4.0)
    assert high / low == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.5"), (3000.0, "3000"), (1e6, "10⁶"), (2e-5, "2·10⁻⁵"), (0.0, "0")]
)
def test_tick_labels_are_plain_numbers(value, text):
    assert plain_number(value) == text
