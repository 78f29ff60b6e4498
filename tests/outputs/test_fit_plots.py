"""The figures of fits: what is on them, that nothing overlaps, that every shape of fit can be drawn."""

import math
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from exsim.measurements import ABOVE_LIMIT, BELOW_LIMIT, MEASURED
from exsim.outputs.fit_plots import (
    directions_figure,
    fit_figure,
    profiles_figure,
    residuals_figure,
    save_figure,
    waterfall_figure,
)
from exsim.outputs.fit_plots.frames import middle_cut, on_scale, quantiles, share_beyond
from exsim.outputs.fit_plots.over_time import best_fit
from exsim.outputs.fit_plots.points import points_over
from exsim.outputs.plot_style import drawing, label_line_ends, new_figure

from .fit_cases import EVERY_KIND, fit_of, large_fit, many_people, small_fit, three_conditions
from .fit_closed_form import Row, free_number

FIGURES = {
    "fit": fit_figure,
    "residuals": residuals_figure,
    "waterfall": waterfall_figure,
    "profiles": profiles_figure,
    "directions": directions_figure,
}


def without_curves():
    problem, result = small_fit()
    return problem, replace(result, curves=None, covariance=None)


def without_a_band():
    problem, result = small_fit()
    nothing = np.full_like(result.curves.value, math.nan)
    return problem, replace(result, curves=replace(result.curves, lower=nothing, upper=nothing))


def bare():
    problem, result = small_fit()
    return problem, replace(result, profiles=(), directions=(), covariance=None)


def all_starts_failed():
    problem, result = small_fit()
    return problem, replace(result, starts=tuple(replace(start, failed=True) for start in result.starts))


def one_start():
    problem, result = small_fit()
    return problem, replace(result, starts=result.starts[:1], agreeing=1)


def lost_numbers():
    problem, result = small_fit()
    gone = np.full(len(problem.rows), math.nan)
    profiles = tuple(replace(item, density=np.full_like(item.density, math.nan)) for item in result.profiles)
    return problem, replace(result, prediction=gone, residual=gone, profiles=profiles)


def odd_names():
    problem, result = small_fit()
    name = "release_gain[Läufer β: $5 and \\frac{$ in a_b^c, 血漿]" + "x" * 60
    free = (replace(problem.free[0], name=name, label=name, unit="$\\mu g$/h"), *problem.free[1:])
    simulations = (replace(problem.simulations[0], name=name),)
    observables = tuple(replace(item, label=name + item.name) for item in problem.observables)
    names = (name, *result.names[1:])
    curves = replace(result.curves, simulations=(name,))
    problem = replace(problem, free=free, simulations=simulations, observables=observables)
    return problem, replace(result, names=names, curves=curves)


SHAPES = {
    "small": small_fit,
    "large": large_fit,
    "three conditions": three_conditions,
    "rows of every kind": lambda: fit_of(EVERY_KIND),
    "no curves": without_curves,
    "no band": without_a_band,
    "no profiles and no directions": bare,
    "all starts failed": all_starts_failed,
    "one start": one_start,
    "one row": lambda: fit_of([Row(0, 0, 2.0, 30.0)]),
    "lost numbers": lost_numbers,
    "odd and long names": odd_names,
    "Laplace and t": lambda: fit_of(EVERY_KIND, ("laplace", "student_t")),
    "additive and proportional": lambda: fit_of(EVERY_KIND, ("additive_proportional", "normal")),
}


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def axes_of(figure, title):
    (axes,) = [item for item in figure.axes if item.get_title(loc="left") == title]
    return axes


def markers(axes):
    """Return how many points have which marker."""
    found = {}
    for line in axes.lines:
        if line.get_linestyle() == "None":
            found[line.get_marker()] = found.get(line.get_marker(), 0) + len(line.get_xdata())
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_fit_becomes_a_picture_without_a_warning(shape, tmp_path):
    problem, result = SHAPES[shape]()
    for name, draw in FIGURES.items():
        save_figure(draw(problem, result, "What?"), tmp_path / name, dpi=40)
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def overlapping(figure):
    """Return the pairs of texts of a figure that overlap by more than a pixel, and what leaves the figure."""
    with drawing():
        FigureCanvasAgg(figure).draw()
    boxes = [
        (text.get_text(), text.get_window_extent())
        for text in figure.findobj(mpl.text.Text)
        if text.get_visible() and text.get_text().strip()
    ]
    shown = [(words, box) for words, box in boxes if box.width > 0 and figure.bbox.padded(200).overlaps(box)]
    outside = [
        words
        for words, box in shown
        if box.x0 < -1 or box.y0 < -1 or box.x1 > figure.bbox.x1 + 1 or box.y1 > figure.bbox.y1 + 1
    ]
    pairs = [
        (one, other)
        for n, (one, a) in enumerate(shown)
        for other, b in shown[:n]
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1.5
    ]
    return pairs, outside


@pytest.mark.parametrize(
    "shape", ["small", "large", "three conditions", "rows of every kind", "odd and long names"]
)
@pytest.mark.parametrize("name", FIGURES)
def test_no_text_overlaps_another_or_leaves_the_picture(shape, name):
    problem, result = SHAPES[shape]()
    pairs, outside = overlapping(FIGURES[name](problem, result, "What does plasma IL-6 tell of its release?"))
    assert pairs == []
    assert outside == []


# ---- fit.png -----------------------------------------------------------------------------------------------


def test_a_panel_per_analyte_in_its_unit_on_a_log_axis_where_the_noise_is_lognormal():
    il6, tnf, _ = fit_figure(*three_conditions()).axes
    assert (il6.get_yscale(), il6.get_ylabel()) == ("log", "pg/mL (log scale)")
    assert (tnf.get_yscale(), tnf.get_ylabel()) == ("linear", "pg/mL")
    assert il6.get_xlabel() == "time (h)"


def test_every_measured_level_is_a_dot_where_it_was_measured():
    problem, result = small_fit()
    axes = axes_of(fit_figure(problem, result), "IL-6")
    (dots,) = [line for line in axes.lines if line.get_marker() == "o"]
    own = problem.rows.observable == 0
    np.testing.assert_allclose(dots.get_ydata(), problem.rows.value[own])
    np.testing.assert_allclose(dots.get_xdata()[1:], problem.rows.time_h[own][1:])


def test_what_was_measured_at_rest_stands_at_the_left_edge():
    axes = axes_of(fit_figure(*small_fit()), "IL-6")
    (dots,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert axes.get_xlim()[0] < dots.get_xdata()[0] < 0.0


def test_a_limit_is_an_open_triangle_down_or_up():
    axes = fit_figure(*fit_of(EVERY_KIND)).axes[0]
    assert markers(axes) == {"o": 5, "v": 1, "^": 1}
    (triangle,) = [line for line in axes.lines if line.get_marker() == "v"]
    assert triangle.get_ydata() == [20.0]
    assert triangle.get_markerfacecolor() == "white"


def test_the_line_is_the_best_fit_with_its_band_and_the_bout_is_shaded():
    problem, result = small_fit()
    axes = axes_of(fit_figure(problem, result), "IL-6")
    (line,) = [item for item in axes.lines if item.get_zorder() == 3]
    np.testing.assert_allclose(line.get_ydata()[1:], result.curves.value[0, 0])
    assert len(axes.collections) >= 1
    (bout,) = [patch for patch in axes.patches if hasattr(patch, "get_x")]
    assert (bout.get_x(), bout.get_width()) == pytest.approx((0.0, 3.43))


def test_bars_are_one_standard_deviation_of_the_row_on_its_own_scale():
    problem, result = small_fit()
    points = points_over(problem, best_fit(result), 0, 0)
    np.testing.assert_allclose(np.log(points.high / points.value), 0.25)
    np.testing.assert_allclose(np.log(points.value / points.low), 0.25)


@pytest.mark.parametrize(
    ("family", "sd"), [("normal", 0.3), ("laplace", 0.3 * math.sqrt(2)), ("student_t", 0.3 * math.sqrt(2))]
)
def test_bars_of_other_noise_are_its_standard_deviation(family, sd):
    problem, result = fit_of([Row(0, 0, 2.0, 30.0, scale=0.3)], (family,))
    points = points_over(problem, best_fit(result), 0, 0)
    assert points.high[0] - points.value[0] == pytest.approx(sd)


def test_a_row_without_a_spread_of_its_own_has_no_bar():
    problem, result = fit_of([Row(0, 0, 2.0, 30.0)])
    points = points_over(problem, best_fit(result), 0, 0)
    assert np.isnan(points.low).all()
    assert "bars" not in " ".join(texts(fit_figure(problem, result)))


def test_a_fold_stands_where_its_level_would_be_by_the_resting_level_of_the_fit():
    problem, result = fit_of([Row(0, 0, 2.0, 40.0, "fold")])
    points = points_over(problem, best_fit(result), 0, 0)
    at = np.interp(2.0, result.curves.time_h[0], result.curves.value[0, 0])
    assert points.value[0] == pytest.approx(40.0 * at / result.prediction[0])


def test_log2_units_of_a_batch_lie_as_many_doublings_from_the_curve():
    problem, result = fit_of([Row(0, 0, 4.0, 9.0, "log2", batch=0)], ("normal",))
    points = points_over(problem, best_fit(result), 0, 0)
    at = np.interp(4.0, result.curves.time_h[0], result.curves.value[0, 0])
    assert points.value[0] == pytest.approx(at * 2.0 ** (9.0 - result.prediction[0]))


@pytest.mark.parametrize(("mode", "shown"), [("factor", 1), ("offset", 1), ("factor and offset", 0)])
def test_a_row_of_a_batch_is_over_the_curve_where_one_number_brings_it_there(mode, shown):
    problem, result = fit_of([Row(0, 0, 2.0, 30.0, batch=0)], ("normal",))
    observables = (replace(problem.observables[0], batch=mode),)
    assert len(points_over(replace(problem, observables=observables), best_fit(result), 0, 0)) == shown


def test_rows_that_are_no_point_on_a_curve_are_counted():
    assert any("5 rows are no point on a curve" in text for text in texts(fit_figure(*fit_of(EVERY_KIND))))


def test_few_conditions_share_a_panel_and_are_named_at_the_ends_of_their_lines():
    figure = fit_figure(*three_conditions())
    for axes in figure.axes:
        assert {text.get_text() for text in axes.texts} == {"race", "ride of an hour", "low glycogen"}
    assert any("bars at the foot: bouts" in text for text in texts(figure))


def test_many_simulations_have_a_small_panel_each():
    figure = fit_figure(*large_fit())
    assert len(figure.axes) == 80
    assert {axes.get_title(loc="left") for axes in figure.axes} >= {"S01 marathon", "S10 cycling_60min"}
    assert "IL-6  (pg/mL, log scale)" in texts(figure)


def test_too_many_to_draw_are_shown_from_the_best_fitted_to_the_worst_and_counted():
    figure = fit_figure(*many_people())
    assert len(figure.axes) == 96
    assert any("96 of 130 panels" in text for text in texts(figure))


def test_what_is_not_converged_says_so_on_every_picture():
    problem, result = small_fit()
    for draw in FIGURES.values():
        figure = draw(problem, replace(result, converged=False, reasons=("the budget was spent",)))
        assert any("NOT CONVERGED" in text for text in texts(figure))


# ---- residuals.png -----------------------------------------------------------------------------------------


def panels(figure, label):
    return [axes for axes in figure.axes if axes.get_label() == label]


def test_residuals_are_drawn_over_time_and_prediction_with_lines_at_two():
    problem, result = small_fit()
    figure = residuals_figure(problem, result)
    for label in ("over time", "over prediction"):
        axes = panels(figure, label)[0]
        (dots,) = [line for line in axes.lines if line.get_marker() == "o"]
        np.testing.assert_allclose(dots.get_ydata(), result.residual[problem.rows.observable == 0])
        assert {-2.0, 0.0, 2.0} <= {float(line.get_ydata()[0]) for line in axes.lines}


def test_observed_over_predicted_has_the_identity_on_equal_axes():
    axes = panels(residuals_figure(*small_fit()), "observed, predicted")[0]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_xlim() == axes.get_ylim()


def test_how_many_lie_beyond_two_stands_beside_how_many_are_expected():
    assert any("114 measured, 16 beyond a limit" in text for text in texts(residuals_figure(*large_fit())))
    assert any("(5.2 expected)" in text for text in texts(residuals_figure(*large_fit())))


def test_quantiles_are_those_of_the_noise():
    problem, result = three_conditions()
    last = panels(residuals_figure(problem, result), "quantiles")[2]
    assert last.get_xlabel() == "quantile of the noise (t)"
    (dots,) = [line for line in last.lines if line.get_marker() == "o"]
    assert len(dots.get_xdata()) == 12
    assert np.all(np.diff(dots.get_ydata()) >= 0)


def test_levels_relative_rows_and_times_have_axes_of_their_own():
    shown = texts(residuals_figure(*fit_of(EVERY_KIND)))
    assert {"IL-6", "IL-10: time of peak", "IL-10: log₂ units", "IL-10: share removed"} <= set(shown)
    assert "IL-6: fold over rest, peak fold, ratio of two conditions, unchanged" in shown
    assert "predicted (h)" in shown


@pytest.mark.parametrize("family", ["normal", "laplace", "student_t"])
def test_quantiles_and_tails_of_the_noise_agree(family):
    share = share_beyond(family, 2.0, 4.0)
    assert quantiles(family, np.array([share / 2, 0.5, 1 - share / 2]), 4.0) == pytest.approx(
        [-2.0, 0.0, 2.0]
    )


# ---- waterfall.png -----------------------------------------------------------------------------------------


def test_starts_are_sorted_the_best_at_the_left_and_failed_ones_are_crosses():
    problem, result = large_fit()
    axes = waterfall_figure(problem, result).axes[0]
    path = next(line for line in axes.lines if line.get_zorder() == 2 and len(line.get_xdata()) == 59)
    assert np.all(np.diff(path.get_ydata()) >= 0)
    assert path.get_ydata()[0] == 0.0
    assert markers(axes)["x"] == 5
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_the_line_at_a_tenth_and_the_starts_that_agree_are_said():
    figure = waterfall_figure(*large_fit())
    assert any(float(line.get_ydata()[0]) == 0.1 for line in figure.axes[0].lines)
    shown = " ".join(texts(figure)).replace("\n", " ")
    assert "23 of 64 starts agree within 0.1 of the best log density; 5 failed" in shown
    assert "3: the density is not finite at the start, 2: the solver ran out of its step budget" in shown


# ---- profiles.png ------------------------------------------------------------------------------------------


def test_a_profile_is_twice_the_loss_over_the_scale_of_estimation_with_the_line_at_384():
    problem, result = small_fit()
    axes = profiles_figure(problem, result).axes[0]
    profile = result.profiles[0]
    curve = next(line for line in axes.lines if len(line.get_xdata()) == len(profile.values))
    np.testing.assert_allclose(curve.get_xdata(), np.log(profile.values))
    np.testing.assert_allclose(curve.get_ydata(), 2 * (result.log_density - profile.density))
    assert any(line.get_ydata()[0] == pytest.approx(3.8415, abs=1e-4) for line in axes.lines)
    ticks = [float(label.get_text()) for label in axes.get_xticklabels()]
    np.testing.assert_allclose(np.exp(axes.get_xticks()), ticks, rtol=1e-3)


def test_the_verdict_the_interval_the_label_and_the_unit_stand_at_each_profile():
    figure = profiles_figure(*large_fit())
    by_name = {axes.texts[0].get_text(): axes for axes in figure.axes}
    words = {name: [text.get_text() for text in axes.texts[1:]] for name, axes in by_name.items()}
    assert words["k_LPS"] == ["structurally not identifiable", "no end"]
    assert words["action_rate"] == ["practically not identifiable", "above 1.06"]
    assert words["CL_IL6"] == ["identifiable", "49.5 to 85.26"]
    assert words["k_IL10"][0] == "at its upper bound"
    assert by_name["CL_IL6"].get_xlabel() == "clearance of IL-6 from plasma (L/h)"


def test_a_point_that_was_lost_is_a_gap_and_a_cross():
    axes = profiles_figure(*small_fit()).axes[1]
    assert markers(axes)["x"] == 1
    assert any(np.isnan(line.get_ydata()).sum() == 1 for line in axes.lines)


@pytest.mark.parametrize(
    ("scale", "value", "place"),
    [
        ("linear", 2.0, 2.0),
        ("log", 2.0, math.log(2)),
        ("log10", 2.0, math.log(2)),
        ("logit", 0.75, math.log(3)),
    ],
)
def test_a_value_on_its_scale_of_estimation(scale, value, place):
    item = free_number("x", scale, kind="noise", bounds=(0.0, 1.0 if scale == "logit" else 9.0))
    assert float(on_scale(item, value)) == pytest.approx(place)


# ---- directions.png ----------------------------------------------------------------------------------------


def test_directions_are_sorted_and_the_flat_ones_named():
    problem, result = large_fit()
    spectrum, parts = directions_figure(problem, result).axes
    words = [text.get_text() for text in parts.texts]
    assert len(words) == 25
    assert [text.startswith("flat: ") for text in words] == [True] * 3 + [False] * 22
    assert "flat: k_LPS" in words
    assert spectrum.get_xlabel() == "eigenvalue (log scale)"
    assert [label.get_text() for label in parts.get_xticklabels()][:2] == ["release_gain", "CL_IL6"]


def test_what_the_data_tell_of_flat_directions_stands_under_the_title():
    shown = " ".join(texts(directions_figure(*large_fit()))).replace("\n", " ")
    assert "22 of 25 directions are told by the data" in shown
    assert "only the product release_gain * V_IL6 is told by the data" in shown


# ---- shared ------------------------------------------------------------------------------------------------


def test_a_long_name_keeps_its_beginning_and_its_end():
    assert middle_cut("release_gain[cycling_60min]", 20) == "release_gain…_60min]"
    assert middle_cut("CL_IL6", 20) == "CL_IL6"


def test_names_at_the_ends_of_lines_stand_at_their_height_on_a_linear_axis():
    figure = new_figure(4.0, 3.0)
    axes = figure.subplots()
    axes.set_ylim(-10.0, 10.0)
    label_line_ends(axes, [("a", -5.0, {"color": "k"}), ("b", 5.0, {"color": "k"})])
    assert [text.get_position()[1] for text in axes.texts] == pytest.approx([0.25, 0.75])


def test_marks_of_censoring_are_those_of_the_data():
    problem, _ = fit_of(EVERY_KIND)
    assert set(problem.rows.censoring) == {BELOW_LIMIT, MEASURED, ABOVE_LIMIT}
