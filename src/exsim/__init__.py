"""exsim: mechanistic simulation of exerkine kinetics.

`simulate("marathon.toml")` runs a config, `sweep("marathon_runners.toml")` many draws of one,
`fit("marathon_1998.toml")` estimates parameters from data, `sample("marathon_1998.toml")` samples their
posterior, `load_model("il6_axis")` reads a model. Importing exsim changes no setting and loads nothing heavy;
JAX comes with the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .api import fit, load_model, sample, simulate, sweep

__all__ = ["__version__", "fit", "load_model", "sample", "simulate", "sweep"]


def __getattr__(name: str) -> Any:
    if name in ("fit", "load_model", "sample", "simulate", "sweep"):
        from . import api

        return getattr(api, name)
    raise AttributeError(f"module 'exsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
