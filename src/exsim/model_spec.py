"""ModelSpec: what a model file says, checked and normalised, before JAX sees it.

Reading a file (`inputs.model_files`) brings every model to one form:

* `states`: what the integrator carries, each with its derivative. A species given as a
  concentration stays one (its reactions are divided by the compartment's volume).
* `assignments`: computed quantities in the order in which they must be evaluated.
* `parameters`: numbers, among them the volumes of the compartments.
* `inputs`: what a protocol drives; piecewise constant in time.
* `events`: jumps of states at times that follow from parameters alone.

Function definitions are inlined and local parameters are renamed `reaction.parameter`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from .formula import Expr

Grade = Literal["measured", "fitted", "assumed"]
Tag = Literal["read", "unverified", "none"]


@dataclass(frozen=True)
class Parameter:
    """A number of the model. `initial` replaces `value` where an initial assignment computes it."""

    id: str
    value: float | None
    unit: str
    initial: Expr | None = None


@dataclass(frozen=True)
class State:
    """What the integrator carries: its value at time 0 and its derivative per model time unit.

    `kind` is "concentration" or "amount" for a species and "parameter" for a parameter that a
    rate rule or an event changes; `compartment` is None for the last.
    """

    id: str
    unit: str
    initial: Expr
    rate: Expr
    kind: Literal["concentration", "amount", "parameter"]
    compartment: str | None = None


@dataclass(frozen=True)
class Assignment:
    """A quantity that a rule computes at every time."""

    id: str
    unit: str
    value: Expr


@dataclass(frozen=True)
class Input:
    """What a protocol may drive: 0 unless something drives it, constant between jumps."""

    id: str
    unit: str


@dataclass(frozen=True)
class TimedEvent:
    """Assignments to states at `time` (model time unit), an expression in parameters alone."""

    id: str
    time: Expr
    assignments: tuple[tuple[str, Expr], ...]
    #: True if the event also fires when its time lies at or before the start (`t0=false`).
    fires_at_start: bool = False


@dataclass(frozen=True)
class TimeSwitch:
    """The input `id` is 1 from `threshold` (model time unit) on and 0 before.

    It stands for one comparison of time with an expression in parameters, so that a
    right-hand side which jumps in time is split at the jump.
    """

    id: str
    threshold: Expr


@dataclass(frozen=True)
class Reaction:
    """A reaction: substance per time, and the net stoichiometry of each species it changes."""

    id: str
    rate: Expr
    stoichiometry: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class ParameterCard:
    """Where a number comes from: source, evidence tag and grade, and what a fit may do with it."""

    label: str
    source: str
    tag: Tag
    grade: Grade
    note: str = ""
    #: (lower, upper) in the parameter's own unit, or None.
    bounds: tuple[float, float] | None = None
    #: Standard deviation of a log-normal prior around the value, or None.
    prior_log_sd: float | None = None


@dataclass(frozen=True)
class ObservableCard:
    """An analyte as a lab names it, and the state or assignment that it is."""

    analyte: str
    id: str
    label: str
    #: Drawn in the first figure of a run.
    plotted: bool = True


@dataclass(frozen=True)
class DriverCard:
    """Which quantity of a protocol drives which input of the model.

    `driver` is one of `DRIVERS`; `target` is the name that an infusion uses, else "".
    """

    input: str
    driver: str
    target: str = ""


#: What of a protocol can drive an input: the key is the word in model.toml.
DRIVERS: dict[str, str] = {
    "intensity": "local load of the working muscle, fraction of VO2max or of Wmax (0 at rest)",
    "whole_body_intensity": "whole-body intensity, fraction of VO2max (0 at rest)",
    "active_muscle": "mass of the working muscle, kg (0 at rest)",
    "eccentric_load": "share of the work that is eccentric (0 at rest)",
    "carbohydrate": "carbohydrate intake, g/h",
    "infusion": "rate of an infusion, in the unit of the input",
}


@dataclass(frozen=True)
class ModalityCard:
    """What a bout of this kind of exercise does: muscle at work, eccentric share, whole-body cost.

    `whole_body_fraction` times the local intensity is the whole-body intensity.
    """

    active_muscle_kg: float
    eccentric_load: float
    whole_body_fraction: float
    source: str
    grade: Grade


@dataclass(frozen=True)
class ModelCard:
    """`model.toml`: title, what drives the model, what it shows, where each number comes from."""

    title: str
    description: str = ""
    drivers: tuple[DriverCard, ...] = ()
    #: protocol target -> state that a bolus raises
    boluses: tuple[tuple[str, str], ...] = ()
    observables: tuple[ObservableCard, ...] = ()
    modalities: tuple[tuple[str, ModalityCard], ...] = ()
    #: analyte -> parameter that holds its resting level
    baselines: tuple[tuple[str, str], ...] = ()
    #: subject property (body_mass, muscle_glycogen) -> parameter
    subject: tuple[tuple[str, str], ...] = ()
    parameters: tuple[tuple[str, ParameterCard], ...] = ()


@dataclass(frozen=True)
class ModelSpec:
    """A model, ready to be compiled. Equal by value and hashable."""

    name: str
    #: One model time unit in hours (1.0 for a model in hours).
    time_unit_h: float
    parameters: tuple[Parameter, ...]
    states: tuple[State, ...]
    assignments: tuple[Assignment, ...] = ()
    inputs: tuple[Input, ...] = ()
    events: tuple[TimedEvent, ...] = ()
    switches: tuple[TimeSwitch, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    card: ModelCard | None = None
    #: True where simulations begin in the steady state of the model with nothing done, not at its start.
    settles: bool = False
    #: Warnings for the record (unit checks that could not be made, and the like).
    warnings: tuple[str, ...] = field(default=(), compare=False)
    #: SHA-256 of each file that was read, by file name.
    file_hashes: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @cached_property
    def _hash(self) -> int:
        return hash((self.name, self.parameters, self.states, self.assignments, self.inputs))

    def __hash__(self) -> int:
        return self._hash


def begun_as(model: ModelSpec, initial_state: str) -> ModelSpec:
    """Return the model as a config begins it: at "rest" or "steady" (see `ModelSpec.settles`)."""
    return replace(model, settles=True) if initial_state == "steady" else model
