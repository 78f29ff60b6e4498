"""SampleSpec and PopulationSpec: how the posterior of a fit is sampled, how people differ. No JAX."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from .choices import Sampler
from .fields import FrozenTable, ParameterValue, Text, complain, shown
from .free_names import FreeName, free_path
from .population import CovariateForm, Response, SpreadPrior
from .sweep_spec import TargetPath
from .units import Quantity

#: Chains that find step and length together.
_FEWEST_OF_CHEES = 8


class SampleSpec(FrozenTable):
    """How the posterior is sampled."""

    sampler: Sampler = "nuts"
    chains: int | None = Field(
        None, ge=1, le=1000, description="more than one, or nothing tells whether they agree"
    )
    warmup: int | None = Field(None, ge=1, le=1_000_000, description="draws of each chain that are dropped")
    draws: int | None = Field(None, ge=4, le=1_000_000, description="draws of each chain that are kept")
    target_acceptance: float | None = Field(
        None, ge=0.5, le=0.999, description="more of it, and steps are shorter"
    )
    max_depth: int = Field(10, ge=1, le=15, description="a trajectory has 2^depth - 1 steps at most")
    stress: int = Field(
        1000, ge=2, le=1_000_000, description="draws from the prior that are solved before sampling"
    )
    seed: int | None = Field(None, ge=0, lt=2**63, description="in place of the config's seed")

    @model_validator(mode="after")
    def _many_enough(self) -> SampleSpec:
        if self.sampler == "chees" and self.chains is not None and self.chains < _FEWEST_OF_CHEES:
            complain(
                f'{self.chains} chains are too few for sampler = "chees", which learns from all of them',
                f"give it {_FEWEST_OF_CHEES} or more, or leave the sampler out",
            )
        return self


class SpreadSpec(FrozenTable):
    """The prior of a standard deviation: half of a normal, or half of a Cauchy, of this scale."""

    halfnormal: ParameterValue | None = None
    halfcauchy: ParameterValue | None = Field(None, description="long tail: says little")

    @model_validator(mode="after")
    def _one_above_zero(self) -> SpreadSpec:
        given = [value for value in (self.halfnormal, self.halfcauchy) if value is not None]
        if len(given) != 1:
            found = "both halfnormal and halfcauchy" if given else "neither halfnormal nor halfcauchy"
            complain(found, "write one of them: { halfnormal = 0.5 }")
        size = given[0].magnitude if isinstance(given[0], Quantity) else given[0]
        if not size > 0:
            complain(f"a spread of {size:g}", "it must be more than 0; leave it out where people are alike")
        return self

    @property
    def kind(self) -> SpreadPrior:
        """Of which distribution it is the half."""
        return "halfcauchy" if self.halfnormal is None else "halfnormal"

    @property
    def scale(self) -> Quantity | float:
        """Scale of that distribution, with its unit where it has one."""
        scale = self.halfcauchy if self.halfnormal is None else self.halfnormal
        assert scale is not None
        return scale


def _spread(value: Any) -> Any:
    return value if value is None or isinstance(value, dict | SpreadSpec) else {"halfnormal": value}


#: A standard deviation between people or occasions: its prior, or a number for that of a half-normal.
GivenSpread = Annotated[
    SpreadSpec | None,
    BeforeValidator(_spread),
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "string", "examples": ["0.2 h"]}, {"type": "object"}]}
    ),
]


class EffectSpec(FrozenTable):
    """A free quantity of which each person has a number of their own."""

    parameter: FreeName = Field(description="one of fit.free")
    between: GivenSpread = Field(
        None, description="typical sd between people, on the estimation scale; 0.5 on a logarithm"
    )
    within: GivenSpread = Field(
        None, description="typical sd of a person between conditions; none where missing"
    )

    @property
    def path(self) -> TargetPath:
        """What the name stands for."""
        return free_path(self.parameter)


def _reference(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        complain(f"{shown(value)} is not a number or a level", 'write e.g. reference = 70, or "female"')
    return float(value)


class CovariateSpec(FrozenTable):
    """A property of people that may explain how they differ in an effect."""

    name: Text = Field(min_length=1, description="column of the table of people")
    on: FreeName = Field(description="one of the effects")
    form: CovariateForm | None = Field(
        None, description="numbers: power on a logarithm, else linear; text: category"
    )
    reference: Annotated[
        float | Text | None,
        BeforeValidator(_reference),
        WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
    ] = Field(None, description="the median, or the most frequent level")
    sd: float = Field(1.0, gt=0, le=1e6, description="of the normal prior of its coefficient")

    @property
    def path(self) -> TargetPath:
        """What the name of the effect stands for."""
        return free_path(self.on)


class ClassSpec(FrozenTable):
    """Responses under a threshold: how probable is one, of each person and of a new one."""

    name: Text = Field(min_length=1, description="what who responds so is called")
    analyte: Text = Field(min_length=1, description="one of the observables")
    quantity: Response = Field("peak_fold", description="highest value over rest, or highest value")
    below: ParameterValue = Field(description="responses under it are of this class")

    @field_validator("below")
    @classmethod
    def _above_zero(cls, value: Quantity | float) -> Quantity | float:
        size = value.magnitude if isinstance(value, Quantity) else value
        if not size > 0:
            complain(f"no response lies below {size:g}", "write a threshold above 0: below = 20")
        return value


class PopulationSpec(FrozenTable):
    """How people differ."""

    # `class` cannot be the name of an attribute, and `classes` is no key of a config.
    model_config = ConfigDict(validate_by_name=False, validate_by_alias=True)

    correlated: bool | None = Field(
        None, description="what a person has of several effects goes together; true with two effects or more"
    )
    subjects: Text | None = Field(None, description="table of people, relative to the config")
    effect: Annotated[tuple[EffectSpec, ...], Strict(False)] = ()
    covariate: Annotated[tuple[CovariateSpec, ...], Strict(False)] = ()
    classes: Annotated[tuple[ClassSpec, ...], Strict(False)] = Field((), alias="class")
