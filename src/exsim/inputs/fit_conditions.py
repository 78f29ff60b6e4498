"""What was done in each condition of a fit: its run config, and what the config for the fit changes in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, nearest
from ..fields import FrozenDict
from ..fit_spec import ConditionSpec
from ..model_spec import ModelCard, ModelSpec
from ..spec import ConfigSpec, OutputSpec, ProtocolSpec, RunSpec, SubjectSpec
from ..units import Quantity
from .config_checks import ConfigFindings, check_person, partly_read
from .fit_checks import is_plain_path
from .lab_data_checks import BoutSpan
from .model_checks import check_experiment
from .shipped import shipped_configs, shipped_folder
from .toml_lines import KeyPath

if TYPE_CHECKING:
    from .config import LoadedConfig, LoadedFit

#: No datum is later; where the data end is known once they are read.
ENDLESS = OutputSpec(until=Quantity(1e6, "h"))


@dataclass(frozen=True)
class Condition:
    """One condition: all that is done in it, as a run, and where the config speaks of it."""

    name: str
    spec: RunSpec
    path: KeyPath
    #: Ids of the parameters whose values the condition itself gives: these are not free in it.
    held: frozenset[str] = frozenset()
    #: How long its run config looks, hours; None for a condition that its data end.
    until_h: float | None = None

    @property
    def bouts(self) -> BoutSpan:
        """Start of the first bout and end of the last, hours after time 0; None without a bout."""
        bouts = self.spec.protocol.bout
        return (min(bout.start.to("h") for bout in bouts), self.spec.protocol.end_h) if bouts else None


def find_config(folder: Path, name: str) -> Path | None:
    """Return the run config that a name stands for: a path from `folder`, else a shipped config."""
    try:
        if (folder / name).is_file():
            return folder / name
    except OSError:
        return None
    found = next((item for item in shipped_configs() if item == f"simulate/{name}.toml"), None)
    return None if found is None else shipped_folder("configs") / found


def check_condition_files(
    found: ConfigFindings, values: dict[str, Any], read: Callable[[Path], LoadedConfig]
) -> None:
    """Note the run configs of conditions that are not there, and all that is wrong with the others."""
    folder = Path(found.source.file).parent
    rows = values.get("condition")
    seen: set[Path] = set()
    for index, item in enumerate(rows if isinstance(rows, list) else []):
        condition = partly_read(ConditionSpec, item, ("name", "protocol"))
        if condition is None or condition.protocol is None or not is_plain_path(condition.protocol):
            continue
        path = find_config(folder, condition.protocol)
        if path is None:
            place = ("condition", index, "protocol")
            message = f'there is no config "{condition.protocol}"'
            found.refuse(message, place, _hint_for_config(folder, condition.protocol))
        elif path not in seen:
            seen.add(path)
            try:
                read(path)
            except ConfigError as error:
                found.problems += error.problems
        if isinstance(item.get("subject"), dict):
            check_person(found.inside("condition", index), item["subject"], [])


def _hint_for_config(folder: Path, name: str) -> str:
    shipped = [Path(item).stem for item in shipped_configs() if item.startswith("simulate/")]
    beside = sorted(item.name for item in folder.glob("*.toml"))
    match = nearest(name, beside) or nearest(name.removesuffix(".toml"), shipped)
    guess = f'Did you mean "{match}"?  ' if match else ""
    return f"{guess}(shipped: {', '.join(shipped)}; or give a path relative to the config)"


def read_conditions(
    found: ConfigFindings,
    config: LoadedFit,
    model: ModelSpec,
    hashes: dict[str, str],
    observed: Collection[str] = (),
) -> list[Condition]:
    """Return the conditions of a config, in its order; one without a name where it lists none.

    The config's own subject and parameters replace those of the run configs, those of a condition
    both. What does not fit the model is noted; the hash of each run config goes into `hashes`.
    `observed` are the ids that the formulas of the observables take.
    """
    from .config import read_config

    spec = config.spec
    before = len(found.problems)
    check_experiment(found, spec, model, observed)
    if not spec.condition:
        return [Condition("", _as_run(spec, spec, spec.subject, spec.parameter), ("protocol",))]
    read: dict[str, LoadedConfig] = {}
    for condition in spec.condition:
        name = condition.protocol
        path = None if name is None else find_config(config.path.parent, name)
        if name is not None and path is not None and name not in read:
            read[name] = read_config(path)
            hashes[name] = read[name].sha256
            _check_run(found, read[name], model, spec.model, observed)
    conditions = []
    for index, condition in enumerate(spec.condition):
        inside = found.inside("condition", index)
        own = {"parameter": condition.parameter, "subject": condition.subject, "protocol": ProtocolSpec()}
        check_experiment(inside, spec.model_copy(update=own), model, observed)
        run = None if condition.protocol is None else read[condition.protocol].spec
        merged = _merged(spec, run or spec, condition)
        if len(found.problems) == before:
            _check_together(inside, merged, model)
        held = _held(condition, model.card)
        conditions.append(Condition(condition.name, merged, ("condition", index), held))
    return conditions


def read_runs(
    found: ConfigFindings,
    config: LoadedFit,
    model: ModelSpec,
    hashes: dict[str, str],
    files: Mapping[Path, str],
    place: KeyPath,
) -> list[Condition]:
    """Return a condition for each run config, named as `files` names it, in that order.

    The config's own subject and parameters replace those of the run configs. What is wrong is noted,
    that of them together at `place`; the hash of each run config goes into `hashes`.
    """
    from .config import read_config

    check_experiment(found, config.spec, model)
    conditions = []
    for path, name in files.items():
        before = len(found.problems)
        try:
            run = read_config(path)
        except ConfigError as error:
            found.problems += error.problems
            continue
        hashes[name] = run.sha256
        _check_run(found, run, model, config.spec.model)
        merged = _merged(config.spec, run.spec, ConditionSpec(name=name))
        if len(found.problems) == before:
            _check_together(found.inside(*place), merged, model)
        until_h = run.spec.output.until.to("h")
        conditions.append(Condition(name, merged, place, until_h=until_h))
    return conditions


def _check_together(found: ConfigFindings, merged: RunSpec, model: ModelSpec) -> None:
    # Each layer fits the model: together they may set one number twice. What is improbable was said.
    together = ConfigFindings(found.source, within=found.within)
    check_experiment(together, merged, model)
    found.problems += together.problems


def _check_run(
    found: ConfigFindings, run: LoadedConfig, model: ModelSpec, name: str, observed: Collection[str] = ()
) -> None:
    assert run.source is not None
    theirs = ConfigFindings(run.source, found.problems, found.warnings)
    found.warnings += run.warnings
    check_experiment(theirs, run.spec, model, observed)
    if Path(run.spec.model).name != Path(name).name:
        theirs.warn(f'written for the model "{run.spec.model}", taken with "{name}"', ("model",))


def _merged(spec: ConfigSpec, base: ConfigSpec, condition: ConditionSpec) -> RunSpec:
    subject, parameter = base.subject, dict(base.parameter)
    if base is not spec:
        subject, parameter = _over(subject, spec.subject), parameter | spec.parameter
    subject, parameter = _over(subject, condition.subject), parameter | condition.parameter
    return _as_run(spec, base, subject, parameter)


def _over(subject: SubjectSpec, layer: SubjectSpec) -> SubjectSpec:
    given = {name: getattr(layer, name) for name in layer.model_fields_set}
    if "baseline" in given:
        given["baseline"] = FrozenDict(dict(subject.baseline) | dict(layer.baseline))
    return subject.model_copy(update=given)


def _as_run(
    spec: ConfigSpec, base: ConfigSpec, subject: SubjectSpec, parameter: Mapping[str, Any]
) -> RunSpec:
    return RunSpec(
        schema_version=1,
        model=spec.model,
        subject=subject,
        parameter=FrozenDict(parameter),
        protocol=base.protocol,
        solver=spec.solver,
        output=ENDLESS,
    )


def _held(condition: ConditionSpec, card: ModelCard | None) -> frozenset[str]:
    properties = {} if card is None else dict(card.subject)
    baselines = {} if card is None else dict(card.baselines)
    given = condition.subject.model_fields_set
    ids = {id for name, id in properties.items() if name in given}
    ids |= {baselines[analyte] for analyte in condition.subject.baseline if analyte in baselines}
    return frozenset(ids | set(condition.parameter))
