"""The figures of sampling: what is on them, that nothing overlaps, that every result can be drawn."""

import math
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.text import Text

from exsim.outputs.sample_plots import (
    bands_figure,
    pairs_figure,
    prior_posterior_figures,
    save_figure,
    trace_figure,
)

from .sample_cases import (
    OF_DRAWS,
    every_kind_sample,
    judged,
    large_sample,
    part_of,
    small_sample,
    troubled_sample,
)
from .test_fit_plots import overlapping, texts

FIGURES = {
    "bands": bands_figure,
    "trace": trace_figure,
    "pairs": pairs_figure,
    "prior": lambda *given: prior_posterior_figures(*given)[0],
}


def draws_of(count):
    problem, result = small_sample()
    return problem, part_of(result, draws=count)


def single_chain():
    problem, result = small_sample()
    return problem, part_of(result, chains=1)


def frozen():
    problem, result = small_sample()
    draws = result.draws.copy()
    draws[:, :, 1] = 0.2
    return problem, judged(replace(result, draws=draws))


def lost_numbers():
    problem, result = small_sample()
    draws, prior = result.draws.copy(), result.prior.copy()
    draws[0, 0, 1] = math.nan
    prior[:, 2] = math.nan
    return problem, judged(replace(result, draws=draws, prior=prior))


def many_chains():
    problem, result = small_sample()
    more = {name: np.concatenate([getattr(result, name)] * 3) for name in OF_DRAWS}
    return problem, judged(replace(result, **more))


def odd_names():
    problem, result = small_sample()
    name = "release_gain[Läufer β: $5 and \\frac{$ in a_b^c, 血漿]" + "x" * 60
    numbers = (replace(result.numbers[0], name=name, label=name, unit="$\\mu g$/h"), *result.numbers[1:])
    return problem, replace(result, numbers=numbers)


SHAPES = {
    "small": small_sample,
    "large": large_sample,
    "troubled": troubled_sample,
    "rows of every kind": every_kind_sample,
    "no draws": lambda: draws_of(0),
    "one draw": lambda: draws_of(1),
    "three draws": lambda: draws_of(3),
    "single chain": single_chain,
    "many chains": many_chains,
    "a number that never moves": frozen,
    "lost numbers": lost_numbers,
    "odd and long names": odd_names,
}


@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "large"])
def test_every_shape_of_result_becomes_a_picture_without_a_warning(shape, tmp_path):
    problem, result = SHAPES[shape]()
    for name, draw in FIGURES.items():
        # The curves are the same in most shapes.
        if name != "bands" or shape in ("troubled", "rows of every kind", "no draws"):
            save_figure(draw(problem, result, "What?"), tmp_path / name, dpi=30)
            assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("shape", "figure"),
    [
        *(("troubled", figure) for figure in FIGURES),
        *(
            (shape, figure)
            for shape in ("large", "odd and long names")
            for figure in ("trace", "pairs", "prior")
        ),
    ],
)
def test_no_texts_overlap_and_none_leaves_the_sheet(shape, figure):
    pairs, outside = overlapping(FIGURES[figure](*SHAPES[shape]()))
    assert pairs == []
    assert outside == []


@pytest.mark.parametrize("figure", FIGURES)
def test_row_101_every_picture_of_draws_that_are_not_trusted_says_so(figure):
    assert any("NOT TO BE TRUSTED" in text for text in texts(FIGURES[figure](*troubled_sample())))
    assert not any("TRUSTED" in text for text in texts(FIGURES[figure](*small_sample())))


def test_bands_are_those_of_the_curves_and_the_caption_counts_what_they_cover():
    problem, result = small_sample()
    figure = bands_figure(problem, result)
    low, high = np.quantile(result.predictive, [0.025, 0.975], axis=(0, 1))
    inside = int(((low <= problem.rows.value) & (problem.rows.value <= high)).sum())
    assert any(f"{inside} of 12 measured values lie in the central 95 %" in text for text in texts(figure))
    line = max(figure.axes[0].lines, key=lambda item: len(item.get_xdata()))
    np.testing.assert_allclose(line.get_ydata()[1:], result.curves.value[0, 0])
    (band,) = figure.axes[0].collections[:1]
    corners = band.get_paths()[0].vertices[:, 1]
    assert corners.max() == pytest.approx(result.curves.upper[0, 0].max())


def test_row_102_traces_show_every_chain_and_where_draws_diverged():
    problem, result = troubled_sample()
    figure = trace_figure(problem, result)
    trace = figure.axes[0]
    assert [len(line.get_xdata()) for line in trace.lines[:4]] == [500] * 4
    stuck = trace.lines[2].get_ydata()
    assert np.ptp(stuck) == 0
    assert sorted(trace.lines[4].get_xdata()) == [0, *range(10, 16), 100, 200, 300, 400]
    assert {"chain 1", "chain 2", "chain 3", "chain 4"} <= set(texts(figure))


def test_ranks_of_chains_that_agree_are_about_as_many_everywhere():
    problem, result = small_sample()
    ranks = trace_figure(problem, result).axes[1]
    heights = np.array([patch.get_data().values for patch in ranks.patches if hasattr(patch, "get_data")])
    assert heights.shape == (4, 20)
    np.testing.assert_allclose(heights.mean(axis=1), 1.0)
    np.testing.assert_allclose(heights.mean(axis=0), 1.0)
    assert (np.abs(heights - 1) < 0.8).all()


def test_traces_are_of_the_worst_known_numbers():
    problem, result = large_sample()
    figure = trace_figure(problem, result)
    assert len(figure.axes) == 16
    assert any("the 8 worst known of 27 numbers" in text for text in texts(figure))


def test_row_100_pairs_mark_every_divergent_draw():
    problem, result = troubled_sample()
    axes = next(item for item in pairs_figure(problem, result).axes if len(item.lines) == 2)
    cloud, crosses = axes.lines
    assert len(cloud.get_xdata()) == 2000
    assert len(crosses.get_xdata()) == 11


def test_pairs_are_of_the_numbers_with_the_lowest_contraction_and_say_their_correlation():
    problem, result = large_sample()
    figure = pairs_figure(problem, result)
    assert {axes.get_xlabel().split("\n")[0] for axes in figure.axes} >= {"V_IL6", "k_LPS"}
    assert len(figure.axes) == 25
    logs = np.log(small_sample()[1].draws[:, :, :2].reshape(-1, 2))
    wanted = f"{np.corrcoef(logs.T)[0, 1]:.2f}"
    assert wanted in texts(pairs_figure(*small_sample()))


def test_priors_and_posteriors_of_all_numbers_are_there_with_their_contraction():
    problem, result = large_sample()
    first, second = prior_posterior_figures(problem, result)
    assert (len(first.axes), len(second.axes)) == (25, 2)
    said = texts(first)
    assert "contraction -0.11" in said
    assert f"contraction {result.diagnosis.contraction[0]:.2f}" in said
    assert "no prior of its own" in texts(second)
    assert any("sheet 2 of 2" in text for text in texts(second))
    release = first.axes[0]
    assert release.get_xscale() == "log"
    assert "(ng/h/kg)" in release.get_xlabel()


def test_a_contraction_that_is_not_known_is_not_taken_for_a_missing_prior():
    said = texts(prior_posterior_figures(*lost_numbers())[0])
    assert {"contraction not known", "no prior of its own"} <= set(said)


def test_a_number_that_is_lost_at_a_draw_has_no_trace_and_the_others_do():
    figure = trace_figure(*lost_numbers())
    said = texts(figure)
    assert "induction_il10 (1/h)" not in said
    assert len(figure.axes) == 4
    assert "no draws" in texts(trace_figure(*draws_of(0)))


@pytest.mark.parametrize("name", FIGURES)
def test_letters_are_sans_serif_whatever_the_settings_of_the_user_are(name, tmp_path) -> None:
    with mpl.rc_context({"font.family": ["serif"], "axes.titleweight": "normal", "mathtext.fontset": "stix"}):
        figure = FIGURES[name](*small_sample(), "run")
        save_figure(figure, tmp_path / "x.png")
        drawn = [item for item in figure.findobj(Text) if item.get_text()]
        assert drawn
        for item in drawn:
            assert item.get_fontfamily()[0] == "DejaVu Sans", item.get_text()
