"""What a fit chooses by name: the family of its noise, the scale of a parameter, the batch. No JAX."""

from __future__ import annotations

from typing import Literal, get_args

#: How far a measurement may lie from its prediction: see `exsim.noise`.
Family = Literal["normal", "lognormal", "additive_proportional", "laplace", "student_t"]
FAMILIES: tuple[Family, ...] = get_args(Family)

#: On which scale a parameter is estimated: see `exsim.scales`.
ScaleName = Literal["linear", "log", "log10", "logit"]
SCALES: tuple[ScaleName, ...] = get_args(ScaleName)

#: How a batch (plate, kit, lab) of relative data lies to the prediction: see `exsim.batch_scales`.
BatchMode = Literal["factor", "offset", "factor and offset"]
BATCH_MODES: tuple[BatchMode, ...] = get_args(BatchMode)

#: How a posterior is sampled: see `exsim.sampling.chains` and `exsim.sampling.many_chains`.
Sampler = Literal["nuts", "chees"]

#: How the highest density is searched for: see `exsim.fitting.searching`. `hybrid` screens twice as many
#: vectors and climbs from the best half of them by `gauss_newton`.
Optimiser = Literal["hybrid", "gauss_newton", "lbfgs", "adam"]
