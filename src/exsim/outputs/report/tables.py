"""Tables of a run as a page shows them: the columns that a reader wants; facts of the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import html
from .reading import RunFolder, Table

#: Rows shown of a table that has a row for each start.
MOST_STARTS = 10

_STARTS = ("start", "begun_log_density", "reached_log_density", "distance_to_best", "iterations", "ended")
_METRICS = ("variable", "unit", "draws", "left_out", "not_defined", "mean", "p5", "median", "p95")
_INDICES = ("variable", "target", "index", "value", "lower", "upper", "draws", "left_out")
_ESTIMATES = (
    "parameter",
    "value",
    "lower",
    "upper",
    "unit",
    "standard_error",
    "at_bound",
    "identifiable",
)
_POSTERIOR = (
    "name",
    "mean",
    "sd",
    "median",
    "lower",
    "upper",
    "unit",
    "r_hat",
    "ess_bulk",
    "ess_tail",
    "contraction",
)
_SCORES = (
    "id",
    "use",
    "study",
    "analyte",
    "quantity",
    "time_h",
    "target",
    "low",
    "high",
    "unit",
    "model",
    "log_fold_error",
    "verdict",
    "reason",
)


def shown(command: str, name: str, table: Table) -> tuple[Table, int]:
    """Return a table as it is shown, and how many of its rows."""
    made = {
        ("fit", "parameters.csv"): _estimates,
        ("sample", "summary.csv"): _posterior,
        ("fit", "starts.csv"): lambda found: _by_distance(found).of(*_STARTS),
        ("sweep", "summary.csv"): lambda found: found.of(*_METRICS),
        ("sweep", "sensitivity.csv"): lambda found: found.of(*_INDICES),
        ("validate", "scores.csv"): _scores,
        ("fit", "scores.csv"): _scores,
    }.get((command, name), lambda found: found)
    return made(table), MOST_STARTS if name == "starts.csv" else html.MOST_ROWS


def _estimates(table: Table) -> Table:
    columns = ("parameter", "value", "95 % interval", "unit", "what the data say", "standard error")
    cells = zip(*(table.column(name) for name in _ESTIMATES), strict=True)
    rows = tuple(
        (name, value, _interval(low, high), _plain_unit(unit), _said(bound, verdict), error)
        for name, value, low, high, unit, error, bound, verdict in cells
    )
    return Table(columns, rows)


def _posterior(table: Table) -> Table:
    columns = (
        "number",
        "mean",
        "sd",
        "median",
        "95 % interval",
        "unit",
        "R-hat",
        "ESS",
        "tail ESS",
        "contraction",
    )
    cells = zip(*(table.column(name) for name in _POSTERIOR), strict=True)
    rows = tuple(
        (
            name,
            mean,
            sd,
            median,
            _interval(low, high),
            _plain_unit(unit),
            _fixed(r_hat, 3),
            _fixed(bulk, 0),
            _fixed(tail, 0),
            _fixed(contraction, 2),
        )
        for name, mean, sd, median, low, high, unit, r_hat, bulk, tail, contraction in cells
    )
    return Table(columns, rows)


def _fixed(cell: str, digits: int) -> str:
    try:
        return f"{float(cell):.{digits}f}"
    except ValueError:
        return cell


def _interval(low: str, high: str) -> str:
    below, above = (end in ("-inf", "inf") for end in (low, high))
    ends = [html.number_text(end) for end in (low, high)]
    if below and above:
        return "no end"
    if below or above:
        return f"below {ends[1]}" if below else f"above {ends[0]}"
    return f"{ends[0]} to {ends[1]}" if low or high else "–"


def _plain_unit(unit: str) -> str:
    return "" if unit in ("1", "dimensionless") else unit


def _said(bound: str, verdict: str) -> str:
    said = f"{verdict} identifiable" if verdict in ("practically not", "structurally not") else verdict
    return said if not bound else f"at its {bound} bound" + ("" if verdict == "identifiable" else f", {said}")


def _by_distance(table: Table) -> Table:
    def missed(row: tuple[str, ...]) -> float:
        try:
            return float(row[table.columns.index("distance_to_best")])
        except ValueError:
            return float("inf")

    return Table(table.columns, tuple(sorted(table.rows, key=missed)))


def _scores(table: Table) -> Table:
    columns = ("id", "use", "study", "what", "target", "model", "unit", "verdict", "ln error", "why")
    cells = zip(*(table.column(name) for name in _SCORES), strict=True)
    rows = []
    for (
        name,
        use,
        study,
        analyte,
        quantity,
        hours,
        target,
        low,
        high,
        unit,
        model,
        error,
        verdict,
        why,
    ) in cells:
        what = f"{analyte} {quantity.replace('_', ' ')}" + (f", {html.number_text(hours)} h" if hours else "")
        wanted = html.number_text(target) if target or not low else ""
        wanted += f" ({_interval(low, high)})" if low or high else ""
        rows.append((name, use, study, what, wanted.strip(), model, unit, verdict, _signed(error), why))
    return Table(columns, tuple(rows))


def _signed(error: str) -> str:
    try:
        return f"{float(error):+.2f}".replace("-", "−")
    except ValueError:
        return error or "–"


# ---- numbers of the record ---------------------------------------------------------------------------


def facts(run: RunFolder) -> Iterator[tuple[str, str]]:
    """Yield name and text of what the record of a fit, a posterior or a validation says of the whole."""
    if run.command == "sample":
        yield from _facts_of_sample(run.part("sample"), run.part("failures"))
    if run.command == "fit":
        yield from _facts_of_fit(run.part("fit"), run.part("failures"))
        for when in ("before", "after"):
            yield from _uses(run.part("evidence").get(when), f", {when} the fit")
    if run.command == "validate":
        yield from _uses(run.listed("summary"))


def _facts_of_fit(fit: Mapping[str, Any], failures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    def number(key: str) -> str:
        return html.number_text("" if fit.get(key) is None else str(fit[key]))

    ended, check = fit.get("starts_ended"), fit.get("gradient_check")
    counts = [f"{n} {how}" for how, n in (ended if isinstance(ended, Mapping) else {}).items()]
    counts += [f"{n} failed ({why})" for why, n in failures.items()]
    slopes = [
        html.number_text(str(check.get(key, ""))) if isinstance(check, Mapping) else "–"
        for key in ("gradient", "differences")
    ]
    yield "converged", "yes" if fit.get("converged") else "no"
    yield "measurements, free numbers", f"{number('measurements')}, {number('free_numbers')}"
    agree = f"{number('starts_agreeing')} of {number('starts')} within 0.1 of the best log density"
    yield "starts", "; ".join([agree, ", ".join(counts)])
    yield "log density, log likelihood", f"{number('log_density')}, {number('log_likelihood')}"
    yield "AIC, AICc, BIC", ", ".join(number(key) for key in ("aic", "aicc", "bic"))
    yield "directions that the data tell", f"{number('fisher_rank')} of {number('free_numbers')}"
    yield "slope beside the best", f"{slopes[0]} by the gradient, {slopes[1]} by differences"


def _facts_of_sample(sampled: Mapping[str, Any], failures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    def of_chains(key: str, digits: int) -> str:
        found = sampled.get(key)
        each = found if isinstance(found, list) else []
        return ", ".join(_fixed(str(value), digits) if value is not None else "–" for value in each) or "–"

    stress, left_out = (sampled.get(key) for key in ("stress", "loo"))
    yield "to be trusted", "yes" if sampled.get("trusted") else "no"
    asked = "" if sampled.get("complete") else f" of {sampled.get('draws_asked', '–')} asked"
    yield "draws", f"{sampled.get('chains', '–')} chains of {sampled.get('draws', '–')}{asked}"
    yield "numbers, measurements", f"{sampled.get('numbers', '–')}, {sampled.get('measurements', '–')}"
    yield "divergences of each chain", of_chains("divergences", 0)
    yield "cut at the largest length", of_chains("cut_trajectories", 0)
    yield "E-FMI of each chain", of_chains("e_fmi", 2)
    yield "acceptance of each chain", of_chains("acceptance", 2)
    yield "step size of each chain", of_chains("step_size", 3)
    if isinstance(stress, Mapping):
        failed = "; ".join(f"{count}: {why}" for why, count in failures.items())
        yield "draws from the prior", f"{stress.get('draws', '–')}; failed: {failed or 'none'}"
    if isinstance(left_out, Mapping):
        elpd, se, effective = (
            html.number_text(str(left_out.get(key, ""))) for key in ("elpd", "se", "p_loo")
        )
        unsure = left_out.get("rows_unsure", "–")
        yield "LOO", f"elpd {elpd} ± {se}, p_loo {effective}; rows with Pareto k over 0.7: {unsure}"


def _uses(parts: Any, when: str = "") -> Iterator[tuple[str, str]]:
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, Mapping) and part.get("cases"):
            yield f"to {part.get('use')}{when}", _use(part)


def _use(part: Mapping[str, Any]) -> str:
    said = [f"{part.get('scored')} of {part.get('cases')} cases scored"]
    median = part.get("median_abs_log_error")
    within, inside = part.get("share_within_2x"), part.get("share_inside")
    if isinstance(median, int | float):
        said.append(f"median |ln error| {median:.3f}")
    if isinstance(within, int | float):
        said.append(f"{within:.0%} of {part.get('log_cases')} within a factor of 2")
    if isinstance(inside, int | float):
        said.append(f"{inside:.0%} of {part.get('interval_cases')} inside their interval")
    return "; ".join(said)
