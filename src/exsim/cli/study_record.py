"""What `run.json` says of a fit and of a posterior alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..api import FitStudy, SampleStudy
from ..outputs.run_record import Stopwatch, build_record

if TYPE_CHECKING:
    from ..fit_result import Effort


def hashes_of(study: FitStudy | SampleStudy) -> dict[str, str]:
    """Return the SHA-256 of all that a study read but its config: model, data, run configs."""
    return {**dict(study.problem.model.file_hashes), **study.data_hashes}


def record_of(
    command: str,
    study: FitStudy | SampleStudy,
    *,
    seed: int,
    device: str,
    watch: Stopwatch,
    efforts: Mapping[str, Effort],
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Return what `run.json` says of a study: input, seed, solver, times by stage."""
    config, problem = study.config, study.problem
    return build_record(
        command=command,
        config=config.spec.model_dump(mode="json", by_alias=True),
        input_hashes={str(config.path): config.sha256, **hashes_of(study)},
        seed=seed,
        device=device,
        dtype="float64",
        solver={"method": problem.method, "rtol": problem.rtol, "atol": problem.atol},
        timing=watch.read() | {stage: effort.seconds for stage, effort in efforts.items()},
        warnings=list(warnings),
        repairs=study.repairs,
        title=config.spec.label or config.question,
    )
