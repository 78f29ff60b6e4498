"""torchode: one batch after another with PyTorch, an own step size for each draw."""

from __future__ import annotations

import numpy as np

from .problems import Problem, Run


def prepare(problem: Problem, rtol: float, atol: float, batch: int = 1024) -> Run:
    """Return the run, split at the jumps; Tsit5 with torchode's integral controller."""
    import torch
    import torchode

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    model = problem.model
    edges, inputs = problem.segments
    constants = {id: torch.tensor(values) for id, values in problem.constants.items()}
    start = torch.tensor(problem.start)
    times = torch.tensor(problem.times_h)

    def solve(
        y: torch.Tensor, segment: int, known: dict[str, torch.Tensor]
    ) -> tuple[np.ndarray, torch.Tensor]:
        begin, end = edges[segment], edges[segment + 1]
        inside = times[(times > begin) & (times <= end)]
        stops = torch.unique(torch.cat([torch.tensor([begin]), inside, torch.tensor([end])]))
        levels = [torch.tensor(level) for level in inputs[segment]]

        def rates(time: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
            found = model.derivative(torch, time, levels, list(states.T), known)  # type: ignore[arg-type]
            return torch.stack([rate.expand(len(states)) for rate in found], dim=1)

        term = torchode.ODETerm(rates)
        method = torchode.Tsit5(term=term)
        steps = torchode.IntegralController(atol=atol, rtol=rtol, term=term)
        solver = torchode.AutoDiffAdjoint(method, steps)
        problem = torchode.InitialValueProblem(y0=y, t_eval=stops.repeat(len(y), 1))
        with torch.no_grad():
            values = solver.solve(problem).ys
        kept = 1 + len(inside)
        return values[:, 1:kept].numpy(), values[:, -1]

    def run() -> np.ndarray:
        found = []
        for first in range(0, problem.draws, batch):
            y = start[first : first + batch]
            known = {id: values[first : first + batch] for id, values in constants.items()}
            pieces = [y[:, None].numpy()]
            for segment in range(len(inputs)):
                piece, y = solve(y, segment, known)
                pieces.append(piece)
            found.append(np.concatenate(pieces, axis=1))
        return np.concatenate(found)

    return Run(run)
