"""What was done in a run, for a reader: model, protocol, data, noise, how it was computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ...toml_text import toml_text
from .reading import RunFolder, names_of

Pairs = Iterator[tuple[str, str]]


def what_was_done(run: RunFolder) -> Pairs:
    """Yield name and text of what a reader wants to know first: who did what, on what."""
    config = run.part("config")
    yield "command", f"exsim {run.command}"
    yield "model", _name(config.get("model"))
    yield from _protocol(config)
    for condition in _tables(config, "condition"):
        protocol = condition.get("protocol")
        said = f"as in {_name(protocol)}" if protocol else "the protocol of the config"
        yield f"condition {condition.get('name')}", said
    data = config.get("data")
    if isinstance(data, Mapping):
        yield "data", _name(data.get("file") or data.get("evidence"))
        if ignored := _texts(data.get("ignore")):
            yield "left out", ignored
    if "evidence" in config:
        yield "evidence", _name(config.get("evidence"))
    for observable in _tables(config, "observable"):
        yield f"noise of {observable.get('analyte')}", _noise(observable)
    yield from _search(config)
    if run.command == "sample":
        yield from _chains(config.get("sample"), run.part("sample"))


def how_it_was_computed(run: RunFolder) -> Pairs:
    """Yield name and text of what another needs to get the same numbers."""
    record, timing = run.record, run.part("timing")
    seed = record.get("seed")
    yield "seed", "none: nothing is left to chance" if seed is None else str(seed)
    solver = run.part("solver")
    said = [
        f"{label} {solver[key]}"
        for key, label in (("method", ""), ("second_method", "then"), ("rtol", "rtol"), ("atol", "atol"))
        if solver.get(key) is not None
    ]
    yield "solver", ", ".join(text.strip() for text in said) or "–"
    yield "device", f"{record.get('device', '–')}, {record.get('dtype', '–')}"
    yield "begun", _moment(timing.get("started"))
    if isinstance(timing.get("wall_s"), int | float):
        yield "took", f"{timing['wall_s']:.3g} s"
    versions = run.part("versions")
    yield "versions", ", ".join(f"{name} {version}" for name, version in versions.items()) or "–"


def input_hashes(run: RunFolder) -> Pairs:
    """Yield name and SHA-256 of the files that the run read."""
    return names_of(run.part("input_hashes"))


def config_text(run: RunFolder) -> str:
    """Return the config as resolved, as TOML: defaults filled in, what is empty left out."""
    found = _filled(run.part("config"))
    return toml_text(found) if isinstance(found, dict) and found else ""


def _filled(value: Any) -> Any:
    # Without None and without tables that hold nothing.
    if isinstance(value, Mapping):
        kept = {str(key): _filled(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None and item != {} and item != []}
    if isinstance(value, list):
        return [_filled(item) for item in value if item is not None]
    return value


def _protocol(config: Mapping[str, Any]) -> Pairs:
    protocol = config.get("protocol")
    protocol = protocol if isinstance(protocol, Mapping) else {}
    for bout in _tables(protocol, "bout"):
        yield "bout", _bout(bout)
    for intake in _tables(protocol, "intake"):
        yield "intake", f"carbohydrate {intake.get('carbohydrate')}, {_span(intake)}"
    for infusion in _tables(protocol, "infusion"):
        yield "infusion", f"{infusion.get('target')} {infusion.get('rate')}, {_span(infusion)}"
    for bolus in _tables(protocol, "bolus"):
        yield "bolus", f"{bolus.get('target')} {bolus.get('dose')} at {bolus.get('time')}"


def _bout(bout: Mapping[str, Any]) -> str:
    intensity = bout.get("intensity")
    parts = [f"{bout.get('modality')} at intensity {intensity}", _span(bout)]
    intervals, repeat = bout.get("intervals"), bout.get("repeat")
    if isinstance(intervals, Mapping):
        work, rest = intervals.get("work"), intervals.get("rest")
        parts.append(f"{intervals.get('repeats')} times {work} of work with {rest} of rest between")
    if isinstance(repeat, Mapping):
        parts.append(f"{repeat.get('times')} times in all, every {repeat.get('every')}")
    return ", ".join(parts)


def _span(item: Mapping[str, Any]) -> str:
    duration = item.get("duration")
    return f"from {item.get('start')}" + (f" for {duration}" if duration else "")


def _noise(observable: Mapping[str, Any]) -> str:
    parts = [str(observable.get("noise")), f"sd {_number(observable.get('sd'))}"]
    if observable.get("proportional") is not None:
        parts.append(f"proportional {_number(observable['proportional'])}")
    if observable.get("formula"):
        parts.append(f"of {observable['formula']}")
    if observable.get("batch"):
        parts.append(f"with a {observable['batch']} for each batch")
    return ", ".join(parts)


def _number(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"estimated between {value.get('lower')} and {value.get('upper')}"
    return "as the data give it" if value == "data" else str(value)


def _search(config: Mapping[str, Any]) -> Pairs:
    fit, sweep = config.get("fit"), config.get("sweep")
    if isinstance(fit, Mapping):
        yield "free", _texts(fit.get("free")) or "–"
        starts = fit.get("starts")
        yield "search", f"{starts} start{'s' * (starts != 1)}, {fit.get('optimiser')}"
    yield from _population(config.get("population"))
    if isinstance(sweep, Mapping):
        yield "varied", ", ".join(str(item.get("target")) for item in _tables(sweep, "vary")) or "–"
        draws = sweep.get("draws")
        yield "design", str(sweep.get("design")) + (f", {draws:,} draws" if isinstance(draws, int) else "")


_SAMPLERS = {"chees": "ChEES-HMC"}


def _chains(asked: Any, sampled: Mapping[str, Any]) -> Pairs:
    warmup = asked.get("warmup") if isinstance(asked, Mapping) else None
    after = f"after {warmup} of warm-up" if warmup else "after warm-up"
    chains, draws = (sampled.get(key, "–") for key in ("chains", "draws_asked"))
    sampler = _SAMPLERS.get(asked.get("sampler", "") if isinstance(asked, Mapping) else "", "NUTS")
    yield "sampling", f"{sampler}, {chains} chains of {draws} draws {after}"


def _population(population: Any) -> Pairs:
    if not isinstance(population, Mapping):
        return
    effects = ", ".join(str(item.get("parameter")) for item in _tables(population, "effect"))
    yield "own of each person", effects or "–"
    explained = [f"{item.get('name')} on {item.get('on')}" for item in _tables(population, "covariate")]
    if explained:
        yield "covariates", ", ".join(explained)


def _tables(table: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = table.get(name)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def _texts(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else ""


def _name(path: Any) -> str:
    return str(path).replace("\\", "/").rpartition("/")[2] if path else "–"


def _moment(text: Any) -> str:
    try:
        return datetime.fromisoformat(str(text)).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return "–"
