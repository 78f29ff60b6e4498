"""The figures of sweeps: what is on them, that every shape of sweep can be drawn, that nothing is clipped."""

import struct

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from exsim.outputs.plot_style import drawing
from exsim.outputs.sweep_plots import bands_figure, save_figure, surface_figure, tornado_figure

TWO = ("IL6_peak", "IL6_time_of_peak_h")


def broken_corner(columns):
    return (columns["protocol.bout.0.duration"] > 4.5) & (columns["protocol.bout.0.intensity"] > 0.8)


SHAPES = {
    "a grid with a failed corner": {"design": "grid", "draws": (20, 15), "vary": 2, "fails": broken_corner},
    "a coarse grid": {"shown": TWO, "design": "grid", "draws": (2, 2), "vary": 2},
    "a grid of three": {"shown": TWO, "design": "grid", "draws": (6, 5, 4), "vary": 3, "fails": 0.1},
    "a grid of one cell": {"design": "grid", "draws": (1, 1), "vary": 2},
    "a grid of one row": {"design": "grid", "draws": (9, 1), "vary": 2},
    "one quantity": {"shown": TWO, "design": "grid", "draws": 25, "vary": 1, "fails": 0.1},
    "one quantity at random": {"draws": 1500, "vary": 1},
    "five quantities": {"shown": TWO, "design": "sobol", "draws": 4096, "vary": 5, "fails": 0.02},
    "twelve quantities": {"shown": TWO, "design": "latin-hypercube", "draws": 600, "vary": 12},
    "a Saltelli design": {"design": "saltelli", "draws": 6 * 128, "vary": 4, "fails": 0.002},
    "a Saltelli design of twelve": {"shown": TWO, "design": "saltelli", "draws": 14 * 32, "vary": 12},
    "a Saltelli design cut short": {"design": "saltelli", "draws": 11, "vary": 4},
    "one draw": {"draws": 1},
    "three draws": {"draws": 3},
    "ten draws, some failed": {"draws": 10, "fails": 0.4},
    "no draws": {"draws": 0},
    "all failed": {"draws": 60, "fails": 1.0},
    "nothing varied": {"draws": 4, "vary": 0},
    "no metrics": {"shown": ()},
    "one metric": {"shown": ("IL6_peak",), "vary": 2},
}


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(Text))


def clipped_texts(figure):
    """Return texts that leave the figure, and pairs of texts that share a place."""
    canvas = FigureCanvasAgg(figure)
    with drawing():
        canvas.draw()
    renderer, (width, height) = canvas.get_renderer(), figure.get_size_inches() * figure.dpi
    shown = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in shown]
    outside = [text for text, b in boxes if b.x0 < 0 or b.y0 < 0 or b.x1 > width or b.y1 > height]
    lapped = [
        (text, other)
        for n, (text, box) in enumerate(boxes)
        for other, second in boxes[:n]
        if box.shrunk(0.9, 0.8).overlaps(second.shrunk(0.9, 0.8))
    ]
    return outside, lapped


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_sweep_becomes_pictures_without_a_warning_or_a_clipped_word(
    make_sweep, shape, tmp_path
):
    ds = make_sweep(**SHAPES[shape])
    for draw in (surface_figure, tornado_figure):
        assert clipped_texts(draw(ds))[0] == []


def test_a_figure_is_saved_as_a_sharp_png(make_sweep, tmp_path):
    save_figure(
        surface_figure(make_sweep("grid", (5, 4), vary=2, shown=("IL6_peak",))), tmp_path / "a.partial"
    )
    content = (tmp_path / "a.partial").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">II", content[16:24])[0] >= 900


@pytest.mark.parametrize("draws", [0, 1, 3, 500])
@pytest.mark.parametrize("fails", [0.0, 0.3, 1.0])
def test_bands_of_any_number_of_draws_can_be_drawn(make_sweep, with_percentiles, draws, fails):
    ds, _ = with_percentiles(make_sweep(draws=draws, fails=fails))
    assert clipped_texts(bands_figure(ds)) == ([], [])


def test_draws_that_no_run_has_reached_are_blank_and_not_failed(make_sweep, with_percentiles):
    ds, _ = with_percentiles(make_sweep("grid", (20, 15), vary=2), batches=3)
    for name in ("IL6_peak", "protocol.bout.0.duration", "protocol.bout.0.intensity"):
        ds[name].values[200:] = np.nan
    ds["status"].values[200:] = -1
    ds["IL6_percentiles"].values[2] = np.nan
    ds["batch_done"].values[2] = -1
    for draw in (surface_figure, tornado_figure):
        assert "300 draws (grid), 100 not solved yet, none failed" in words(draw(ds))
    assert "n = 200 of 300 draws" in words(bands_figure(ds))


def test_a_surface_has_a_panel_and_a_colour_bar_with_unit_for_every_metric(make_sweep):
    ds = make_sweep("grid", (12, 10), vary=2, shown=("IL6_peak", "TNF_peak"))
    figure = surface_figure(ds)
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["IL-6 peak", "TNF peak"]
    assert [axes.get_ylabel() for axes in figure.axes[2:]] == ["pg/mL", "pg/mL"]
    assert figure.axes[0].get_xlabel() == "duration (h)"
    assert figure.axes[0].get_ylabel() == "intensity"


def mesh_of(axes):
    return next(c for c in axes.collections if c.__class__.__name__ == "QuadMesh")


def test_every_cell_of_a_grid_shows_its_own_draw(make_sweep):
    ds = make_sweep("grid", (12, 10), vary=2)
    shown = mesh_of(surface_figure(ds).axes[0]).get_array()
    np.testing.assert_allclose(shown.reshape(10, 12), ds["IL6_peak"].values.reshape(12, 10).T, rtol=1e-12)


def test_draws_in_any_order_make_the_same_surface(make_sweep):
    ds = make_sweep("grid", (12, 10), vary=2)
    mixed = ds.isel(draw=np.random.default_rng(0).permutation(120))
    shown = [mesh_of(surface_figure(each).axes[0]).get_array() for each in (ds, mixed)]
    np.testing.assert_array_equal(*shown)


def test_colours_are_logarithmic_beyond_a_decade_and_linear_within(make_sweep):
    figure = surface_figure(make_sweep("grid", (12, 10), vary=2, shown=("IL6_peak", "TNF_peak")))
    kinds = [type(mesh_of(axes).norm).__name__ for axes in figure.axes[:2]]
    assert kinds == ["LogNorm", "Normalize"]


def test_failed_cells_are_gaps_and_hatched_and_counted(make_sweep):
    ds = make_sweep("grid", (20, 15), vary=2, fails=broken_corner)
    failed = int((ds["status"] != 0).sum())
    figure = surface_figure(ds)
    assert f"300 draws (grid), {failed} failed and left out (hatched)" in words(figure)
    assert int(np.ma.getmaskarray(mesh_of(figure.axes[0]).get_array()).sum()) == failed
    assert [c.get_hatch() for c in figure.axes[0].collections if c.get_hatch()] == ["////"]


def test_a_number_that_is_not_defined_is_a_gap_of_another_kind(make_sweep):
    figure = surface_figure(make_sweep("grid", (20, 15), vary=2, shown=("IL6_time_of_peak_h",)))
    assert "none failed" in words(figure)
    assert "dotted: no such number" in words(figure)
    assert [c.get_hatch() for c in figure.axes[0].collections if c.get_hatch()] == ["..."]


def test_the_nominal_values_are_marked_where_they_are_in_sight(make_sweep):
    ds = make_sweep("grid", (12, 10), vary=2, shown=("IL6_peak",))
    (line,) = surface_figure(ds).axes[0].lines
    assert (line.get_xdata()[0], line.get_ydata()[0]) == (3.43, 0.8)
    ds.attrs["varied"] = ds.attrs["varied"].replace("3.43", "34.3")
    figure = surface_figure(ds)
    assert not figure.axes[0].lines
    assert "circle" not in words(figure)


def test_a_metric_that_is_the_same_everywhere_says_so(make_sweep):
    ds = make_sweep("grid", (12, 10), vary=2, shown=("IL6_peak",))
    ds["IL6_peak"].values[:] = 3.0
    assert "3 pg/mL everywhere" in words(surface_figure(ds))


def test_of_many_quantities_the_two_that_matter_most_are_the_axes(make_sweep):
    ds = make_sweep(draws=3000, vary=6, shown=("IL6_peak",))
    ds["IL6_peak"].values[:] = ds["parameter.clearance"].values * ds["protocol.bout.0.intensity"].values ** 2
    axes = surface_figure(ds).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("intensity", "clearance of IL-6 (1/h)")
    assert axes.get_yscale() == "log"


def test_cells_of_random_draws_hold_the_median(make_sweep):
    ds = make_sweep(draws=5000, vary=2, shown=("IL6_peak",))
    mesh = mesh_of(surface_figure(ds).axes[0])
    corners, shown = mesh.get_coordinates(), mesh.get_array()
    (x0, y0), (x1, y1) = corners[4, 5], corners[5, 6]
    x, y = ds["protocol.bout.0.duration"].values, ds["protocol.bout.0.intensity"].values
    inside = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    assert inside.sum() > 10
    median = np.median(ds["IL6_peak"].values[inside])
    assert shown.reshape(corners.shape[0] - 1, -1)[4, 5] == pytest.approx(median, rel=1e-12)


def test_a_few_random_draws_are_points_and_failed_ones_crosses(make_sweep):
    ds = make_sweep(draws=30, vary=2, shown=("IL6_peak",), fails=0.2)
    figure = surface_figure(ds)
    failed = int((ds["status"] != 0).sum())
    assert len(figure.axes[0].collections[0].get_offsets()) == 30 - failed
    assert len(figure.axes[0].lines[0].get_xdata()) == failed
    assert f"{failed} failed and left out (crosses)" in words(figure)


def test_one_quantity_is_a_line_with_a_gap_where_draws_failed(make_sweep):
    ds = make_sweep("grid", 25, vary=1, shown=("IL6_peak",))
    ds["status"].values[9] = 1
    ds["IL6_peak"].values[9] = np.nan
    axes = surface_figure(ds).axes[0]
    x, y = axes.lines[0].get_data()
    np.testing.assert_allclose(x, ds["protocol.bout.0.duration"].values)
    np.testing.assert_allclose(y, ds["IL6_peak"].values)
    assert [patch.get_hatch() for patch in axes.patches] == ["////"]


def test_draws_that_differ_at_one_value_have_a_band(make_sweep):
    ds = make_sweep("grid", (8, 30), vary=2, shown=("IL6_peak",))
    ds.attrs["varied"] = ds.attrs["varied"].split(", {")[0] + "]"
    figure = surface_figure(ds)
    assert "band: 5 to 95 %" in words(figure)
    assert figure.axes[0].collections


def test_bars_of_a_tornado_are_sorted_and_state_their_number(make_sweep):
    figure = tornado_figure(make_sweep(draws=2000, vary=4, shown=("IL6_peak",)))
    axes = figure.axes[0]
    widths = [abs(bar.get_width()) for bar in axes.patches]
    assert widths == sorted(widths, reverse=True)
    assert axes.get_yticklabels()[0].get_text() == "duration"
    assert f"{axes.patches[0].get_width():.2f}" in words(figure)
    assert "Spearman" in words(figure)


def test_a_saltelli_design_shows_first_order_within_total_and_counts_lost_blocks(make_sweep):
    ds = make_sweep("saltelli", 6 * 128, vary=4, shown=("IL6_peak",))
    ds["status"].values[100] = 1
    figure = tornado_figure(ds)
    assert len(figure.axes[0].patches) == 8
    assert "6 draws left out" in words(figure)
    assert "first-order Sobol index" in words(figure)


def test_a_tornado_without_indices_says_why(make_sweep):
    ds = make_sweep(draws=100, shown=("IL6_peak",))
    ds["IL6_peak"].values[:] = 1.0
    assert "nothing moves it" in words(tornado_figure(ds)).replace("\n", " ")
    assert "too few draws: 1 whole blocks" in words(tornado_figure(make_sweep("saltelli", 6))).replace(
        "\n", " "
    )


@pytest.mark.parametrize("vary", [2, 5, 12])
@pytest.mark.parametrize("design", ["random", "saltelli"])
def test_no_two_words_of_a_tornado_share_a_place(make_sweep, vary, design):
    ds = make_sweep(design, draws=(vary + 2) * 40, vary=vary, shown=("IL6_peak", "IL10_peak", "TNF_peak"))
    assert clipped_texts(tornado_figure(ds)) == ([], [])


def test_bands_are_the_exact_percentiles_of_all_draws_within_half_a_percent_in_rank(
    make_sweep, with_percentiles
):
    ds, curves = with_percentiles(make_sweep(draws=4000, vary=4), batches=4)
    axes = bands_figure(ds).axes[0]
    median = axes.lines[0].get_ydata()
    ranks = (curves["IL6"][:, 1:] <= median[1:]).mean(axis=0)
    assert np.abs(ranks - 0.5).max() < 0.005


def test_bands_say_how_many_draws_they_rest_on_and_shade_the_bout(make_sweep, with_percentiles):
    ds, _ = with_percentiles(make_sweep(draws=2000, fails=0.1))
    done = int((ds["status"] == 0).sum())
    figure = bands_figure(ds)
    assert f"n = {done:,} of 2,000 draws (random), {2000 - done} left out" in words(figure)
    spans = [(p.get_x(), p.get_width()) for p in figure.axes[0].patches]
    assert spans == [(0.0, 3.43)]
    assert figure.axes[0].get_yscale() == "log"


def test_the_right_axis_of_bands_is_the_fold_over_the_median_at_rest(make_sweep, with_percentiles):
    ds, _ = with_percentiles(make_sweep(draws=300))
    level, fold = bands_figure(ds).axes[1], bands_figure(ds).axes[3]
    np.testing.assert_allclose(np.array(level.get_ylim()) / 1.2, fold.get_ylim(), rtol=1e-9)


def test_a_sweep_without_percentiles_says_so(make_sweep):
    assert "kept no percentiles" in words(bands_figure(make_sweep(draws=10))).replace("\n", " ")


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("How far apart are runners?", "How far apart are runners? What moves which metric"),
        ("Runners of a marathon", "Runners of a marathon: what moves which metric"),
        ("", "What moves which metric"),
    ],
)
def test_a_heading_follows_a_question_as_a_sentence_and_a_name_after_a_colon(make_sweep, title, shown):
    ds = make_sweep(draws=100, shown=("IL6_peak",))
    ds.attrs.update(title=title, config="")
    # A short heading has blanks that do not break.
    assert shown in words(tornado_figure(ds)).replace("\n", " ").replace("\u00a0", " ")


def test_a_long_name_on_an_axis_is_cut_and_keeps_its_unit(make_sweep):
    ds = make_sweep("grid", (6, 5), vary=2, shown=("IL6_peak",))
    ds.attrs["varied"] = ds.attrs["varied"].replace('"duration"', '"' + "a long name " * 12 + '"')
    label = surface_figure(ds).axes[0].get_xlabel()
    assert label.endswith(" … (h)")
    assert label.count("\n") == 1


def test_a_name_that_fits_on_two_lines_of_a_tornado_is_whole(make_sweep):
    ds = make_sweep(draws=100, vary=2, shown=("IL6_peak",))
    name = "IL-6 released per kg of working muscle with empty stores"
    ds.attrs["varied"] = ds.attrs["varied"].replace('"duration"', f'"{name}"')
    labels = [text.get_text().replace("\n", " ") for text in tornado_figure(ds).axes[0].get_yticklabels()]
    assert name in labels


@pytest.mark.parametrize(("design", "shown"), [("grid", False), ("sobol", True)])
def test_the_seed_is_named_where_draws_depend_on_it(make_sweep, design, shown):
    ds = make_sweep(design, (6, 5) if design == "grid" else 64, vary=2, shown=("IL6_peak",))
    ds.attrs["seed"] = "4711"
    assert ("seed 4711" in words(surface_figure(ds))) is shown


def test_labels_with_dollar_signs_and_great_length_are_drawn_as_they_are(make_sweep):
    ds = make_sweep("grid", (6, 5), vary=2)
    ds.attrs["title"] = "Läufer β: $5 and \\frac{$ " * 12
    ds.attrs["metrics"] = ds.attrs["metrics"].replace("IL-6 peak", "a_{b}$ " * 15)
    ds.attrs["varied"] = ds.attrs["varied"].replace('"duration"', '"' + "a very long name $ of it " * 8 + '"')
    for draw in (surface_figure, tornado_figure):
        assert clipped_texts(draw(ds))[0] == []
