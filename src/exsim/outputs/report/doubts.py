"""What of a run is not to be trusted, in sentences; a report opens with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...evidence import NOT_SCORED, OUTSIDE
from .reading import RunFolder

_PRACTICALLY, _STRUCTURALLY = "practically not", "structurally not"


def doubts(run: RunFolder) -> list[str]:
    """Return why the run is not to be trusted: what failed, what did not converge, what was changed."""
    own = {
        "fit": _of_fit,
        "sample": _of_sample,
        "sweep": _of_sweep,
        "validate": _of_validation,
        "simulate": _of_simulation,
    }
    return [*run.faults, *own.get(run.command, _of_any)(run)]


def assurances(run: RunFolder) -> list[str]:
    """Return what was looked at and found good, where nothing is to be doubted."""
    if run.command == "fit":
        fit = run.part("fit")
        return [
            "The fit converged, and differences confirm its gradient.",
            f"{fit.get('starts_agreeing')} of {fit.get('starts')} starts end within 0.1 of the best.",
            "The data tell every free number.",
        ]
    if run.command == "sample":
        return [
            "The chains agree, none is stuck, and none diverged after warm-up.",
            "There are enough effective draws of every number.",
        ]
    if run.command == "sweep":
        return ["Every draw was solved to its end."]
    if run.command == "validate":
        return ["Every simulation was solved to its end."]
    return ["The integration reached its end within its tolerances."] if run.command == "simulate" else []


def _of_fit(run: RunFolder) -> Iterator[str]:
    fit = run.part("fit")
    if not fit.get("converged"):
        yield "The fit is not converged. Take none of its numbers for an estimate."
        for reason in _texts(fit.get("reasons")):
            yield f"{reason[:1].upper()}{reason[1:]}."
    verdicts = fit.get("not_identifiable")
    verdicts = verdicts if isinstance(verdicts, Mapping) else {}
    names = {
        kind: [str(n) for n, said in verdicts.items() if said == kind]
        for kind in (_PRACTICALLY, _STRUCTURALLY)
    }
    if found := names[_STRUCTURALLY]:
        yield (
            f"Structurally not identifiable: {', '.join(found)}. To the data no value is better "
            "than another, however good they are. Hold one of them at a value that is known, or give it a "
            "prior."
        )
    for combination in _texts(fit.get("flat_directions")):
        yield f"A flat direction: {combination} can change and the data are met as well as before."
    if found := names[_PRACTICALLY]:
        yield (
            f"Practically not identifiable: {', '.join(found)}. The 95 % interval has no end on a side. "
            "Hold it at a value that is known, give it a prior, or measure what shows it."
        )
    bounds = fit.get("at_bound")
    for name, side in (bounds if isinstance(bounds, Mapping) else {}).items():
        yield f"{name} ends at its {side} bound: the bound, and not the data, makes its value."
    yield from _of_starts(run, fit)
    parameters = run.tables.get("parameters.csv")
    if parameters and (
        bare := _unprofiled(parameters.column("parameter"), parameters.column("identifiable"))
    ):
        yield (f"Not profiled: {', '.join(bare)}. The intervals rest on the curvature at the best alone.")


def _of_starts(run: RunFolder, fit: Mapping[str, Any]) -> Iterator[str]:
    starts, agreeing = fit.get("starts"), fit.get("starts_agreeing")
    yield from _failures(run, "starts", starts)
    if starts == 1:
        yield "There was one start: a better place elsewhere would not have been found."
    elif agreeing == 1:
        yield (
            f"One of {starts} starts reached the best log density, and no other came within 0.1 of it: there "
            "may be a better place that none found."
        )


def _unprofiled(names: list[str], verdicts: list[str]) -> list[str]:
    return [name for name, verdict in zip(names, verdicts, strict=True) if verdict == "not profiled"]


def _of_sample(run: RunFolder) -> Iterator[str]:
    sampled = run.part("sample")
    if not sampled.get("trusted"):
        yield "These draws are not to be trusted. Take none of their numbers for an estimate."
        for reason in _texts(sampled.get("reasons")):
            yield f"{reason[:1].upper()}{reason[1:]}."
    if not sampled.get("complete"):
        yield "Not all draws that were asked for are there: exsim sample CONFIG --resume goes on."


def _of_sweep(run: RunFolder) -> Iterator[str]:
    yield from _failures(run, "draws", run.part("solver").get("draws"), " and are left out of every table")


def _of_validation(run: RunFolder) -> Iterator[str]:
    yield from _failures(run, "simulations", None)
    failed = run.part("solver").get("failed")
    for reason in (failed if isinstance(failed, Mapping) else {}).values():
        yield f"{str(reason)[:1].upper()}{str(reason)[1:]}."
    scores = run.tables.get("scores.csv")
    for use in ("calibrate", "predict") if scores else ():
        assert scores is not None
        said = [v for u, v in zip(scores.column("use"), scores.column("verdict"), strict=True) if u == use]
        if missed := said.count(OUTSIDE):
            yield f"Of {len(said)} numbers to {use}, the model misses {missed}."
        if unscored := said.count(NOT_SCORED):
            yield f"Of {len(said)} numbers to {use}, {unscored} could not be scored."


def _of_simulation(run: RunFolder) -> Iterator[str]:
    yield from _of_any(run)
    status = run.part("solver").get("status", "done")
    if status != "done":
        yield f"The integration ended with: {status}."


def _of_any(run: RunFolder) -> Iterator[str]:
    yield from _failures(run, "solves", None)


def _failures(run: RunFolder, what: str, whole: Any, left: str = "") -> Iterator[str]:
    counts = {str(why): n for why, n in run.part("failures").items() if isinstance(n, int) and n > 0}
    if counts:
        reasons = "; ".join(f"{count:,}: {why}" for why, count in counts.items())
        failed = sum(counts.values())
        of = f" of {whole:,}" if isinstance(whole, int) else ""
        yield f"{failed:,}{of} {what if of or failed > 1 else what[:-1]} failed{left} ({reasons})."


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
