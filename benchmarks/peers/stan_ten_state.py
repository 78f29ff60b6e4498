"""Stan on the ten-state posterior: CVODES, with sensitivities, in pieces between the jumps of the input.

Carpenter et al. (2017), doi:10.18637/jss.v076.i01, by PyStan 3. The free numbers are standard normal scores
of their priors, which is where Stan begins and what its metric likes best; only they are differentiated. Of
its integrators Adams' method is the fastest here (a gradient took 12.5 ms; ode_bdf 14.3, ode_ckrk 14.5,
ode_rk45 16.7). A solve may take 4096 steps: Stan's own limit, a million, makes it wait minutes for proposals
of the first warm-up that it rejects.
"""

from __future__ import annotations

import multiprocessing
import re
import time

import numpy as np

from .drawn import Drawn, Sampler
from .posteriors import NOISE_SD, PRIOR_SD, Posterior

RTOL, ATOL = 1e-6, 1e-9

#: The order of `p` is that of `posteriors.FREE`; what is not free has its nominal value.
PROGRAM = """
functions {
  vector rates(real t, vector y, vector p, real u) {
    vector[10] dy;
    real A3 = y[1] * y[1] * y[1];
    real S2 = y[5] * y[5];
    real inhibited = y[8] / p[15];
    dy[1] = 4.0 * (u + 0.01 - y[1]);
    dy[2] = 0.05 + p[1] * A3 / (0.125 + A3) - p[2] * y[2];
    dy[3] = p[3] * y[2] - p[4] * y[3];
    dy[4] = 0.5 * p[4] * y[3] - p[5] * y[4];
    dy[5] = p[6] * (y[4] / (p[7] + y[4]) / (1 + y[6] / 0.5) - y[5]);
    dy[6] = 0.8 * (y[5] - y[6]);
    dy[7] = p[8] * S2 / (p[9] * p[9] + S2) - p[10] * y[7];
    dy[8] = p[11] * y[5] / (p[12] + y[5]) - p[13] * y[8];
    dy[9] = p[14] / (1 + inhibited * inhibited) - 2.5 * y[9];
    dy[10] = 0.2 * y[5] - 0.02 * y[10];
    return dy;
  }
}
data {
  int<lower=1> pieces;
  vector[pieces + 1] edges;
  vector[pieces] u;
  int<lower=1> count;
  array[count] real times;
  // Times of each piece: those after its begin, up to its end.
  array[pieces] int first;
  array[pieces] int last;
  vector[10] y0;
  array[3] int observed;
  matrix[count, 3] log_data;
  vector[15] nominal;
  real prior_sd;
  real noise_sd;
  real rtol;
  real atol;
}
parameters {
  vector[15] z;
}
model {
  vector[15] p = exp(nominal + prior_sd * z);
  vector[10] y = y0;
  z ~ std_normal();
  for (piece in 1:pieces) {
    int n = last[piece] - first[piece] + 1;
    int ends = n > 0 && times[last[piece]] == edges[piece + 1];
    array[n + 1 - ends] real stops = append_array(
      times[first[piece]:last[piece]], rep_array(edges[piece + 1], 1 - ends)
    );
    array[n + 1 - ends] vector[10] found = ode_adams_tol(
      rates, y, edges[piece], stops, rtol, atol, 4096, p, u[piece]
    );
    for (k in 1:n) {
      log_data[first[piece] + k - 1] ~ normal(log(to_row_vector(found[k][observed])), noise_sd);
    }
    y = found[size(stops)];
  }
}
"""


def data_of(posterior: Posterior) -> dict[str, object]:
    """Return what the program calls its data."""
    edges, inputs = posterior.problem.segments
    times = posterior.times_h
    return {
        "pieces": len(inputs),
        "edges": edges.tolist(),
        "u": inputs[:, 0].tolist(),
        "count": len(times),
        "times": times.tolist(),
        "first": (np.searchsorted(times, edges[:-1], side="right") + 1).tolist(),
        "last": np.searchsorted(times, edges[1:], side="right").tolist(),
        "y0": posterior.problem.start[0].tolist(),
        "observed": (posterior.observed + 1).tolist(),
        "log_data": np.log(posterior.data).tolist(),
        "nominal": posterior.nominal.tolist(),
        "prior_sd": PRIOR_SD,
        "noise_sd": NOISE_SD,
        "rtol": RTOL,
        "atol": ATOL,
    }


def prepare(posterior: Posterior, chains: int) -> Sampler:
    """Compile the program and return the sampler: a process a chain, beside each other."""
    import stan

    begun = time.perf_counter()
    # Of the same seed PyStan would keep the draws, and give those of an earlier run.
    model = stan.build(PROGRAM, data=data_of(posterior), random_seed=time.time_ns() % 2**31)
    built_s = time.perf_counter() - begun

    def sample(warmup: int, draws: int) -> Drawn:
        # Where numpyro begins too.
        chance = np.random.default_rng(1)
        start = [{"z": chance.uniform(-1.0, 1.0, len(posterior.names)).tolist()} for _ in range(chains)]
        found = model.sample(num_chains=chains, num_warmup=warmup, num_samples=draws, init=start)
        # httpstan leaves workers behind, for whom the end of this process would wait for ever.
        for worker in multiprocessing.active_children():
            worker.terminate()
        z = found["z"].reshape(len(posterior.names), draws, chains).transpose(2, 1, 0)
        spent = np.array([_seconds(output) for output in found.stan_outputs])
        # Chains run beside each other: the slowest says how long all took.
        warmup_s, draws_s = spent.max(axis=0).tolist()
        leapfrogs = int(np.sum(found["n_leapfrog__"]))
        return Drawn(posterior.nominal + PRIOR_SD * z, built_s, warmup_s, draws_s, leapfrogs)

    return sample


def _seconds(output: bytes) -> tuple[float, float]:
    # What Stan says of a chain: the seconds of the warm-up and of the draws.
    warmup, draws = (
        float(re.findall(rf"([\d.e+-]+) seconds \({part}\)", output.decode())[-1])
        for part in ("Warm-up", "Sampling")
    )
    return warmup, draws
