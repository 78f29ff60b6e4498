"""A C program for one model, generated and compiled on the spot: what the machine can do.

Tsit5 with an I controller as in diffrax; LANES draws share a step and lie side by side in the innermost
loop, which gcc turns into vector code. Nothing is general about it: no status, no events, no resume.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from exsim.lanes.tsit5 import B_ERROR, B_THETA, A

from .generated import Lines
from .problems import Problem, Run

FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp-simd", "-fPIC")

_TEMPLATE = """
#include <math.h>
#define N {states}
#define W {lanes}
#define S 7
static inline double larger(double a, double b) {{ return a > b ? a : b; }}
#define RATES(Y, K) \\
  _Pragma("omp simd") for (int l = 0; l < W; l++) {{ \\
    {loads} \\
    {text} \\
    {stores} \\
  }}

void integrate(long groups, const double *constants, const double *start, long segments, const double *edges,
               const double *inputs, long outputs, const double *times, double rtol, double atol,
               double *out, long *steps) {{
  for (long g = 0; g < groups; g++) {{
    const double (*c)[W] = (const double (*)[W])(constants + g * {constants} * W);
    double (*o)[N][W] = (double (*)[N][W])(out + g * outputs * N * W);
    double y[N][W], z[N][W], k[S][N][W];
    for (int i = 0; i < N; i++) for (int l = 0; l < W; l++) o[0][i][l] = y[i][l] = start[(g * N + i) * W + l];
    long next = 1, made = 0;
    double t = 0.0, wanted = 1e-2;
    for (long segment = 0; segment < segments; segment++) {{
      const double end = edges[segment + 1];
      {levels}
      RATES(y, k[0])
      while (t < end) {{
        const int cut = t + wanted >= end * (1 - 1e-14);
        const double h = cut ? end - t : wanted;
        {stages}
        double worst = 0.0, sums[W];
        _Pragma("omp simd") for (int l = 0; l < W; l++) {{
          double sum = 0.0;
          for (int i = 0; i < N; i++) {{
            const double e = h * ({error});
            const double q = e / (atol + rtol * larger(fabs(y[i][l]), fabs(z[i][l])));
            sum += q * q;
          }}
          sums[l] = sum;
        }}
        for (int l = 0; l < W; l++) worst = larger(worst, sums[l]);
        const double size = sqrt(worst / N);
        double factor = 0.9 * pow(size, -0.2);
        factor = factor > 10.0 ? 10.0 : factor < 0.2 ? 0.2 : factor;
        made++;
        if (size > 1.0) {{ wanted = h * (factor < 1.0 ? factor : 1.0); continue; }}
        const double t1 = cut ? end : t + h;
        while (next < outputs && times[next] <= t1) {{
          const double x = (times[next] - t) / h;
          {weights}
          for (int i = 0; i < N; i++) _Pragma("omp simd") for (int l = 0; l < W; l++)
            o[next][i][l] = y[i][l] + h * ({dense});
          next++;
        }}
        wanted = cut ? larger(wanted, h * factor) : h * factor;
        t = t1;
        for (int i = 0; i < N; i++) for (int l = 0; l < W; l++) {{
          y[i][l] = z[i][l];
          k[0][i][l] = k[6][i][l];
        }}
      }}
    }}
    steps[g] = made;
  }}
}}
"""


@dataclass(frozen=True)
class KernelRun(Run):
    """A run that tells the steps of each group of lanes after it was made."""

    steps: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


def is_present() -> bool:
    """Return whether gcc is there."""
    return shutil.which("gcc") is not None


def source(problem: Problem, lanes: int) -> tuple[str, list[str]]:
    """Return the C program of a problem's model, and the constants that it reads, in their order."""
    lines = Lines(problem.model, "const double", "exp(({1})*log(larger({0}, 1e-300)))", ";")
    states = len(problem.model.state_ids)
    loads = [f"const double y{i} = Y[{i}][l];" for i in range(states)]
    loads += [f"const double c{i} = c[{i}][l];" for i in range(len(lines.constants))]
    stores = [f"K[{i}][l] = {rate};" for i, rate in enumerate(lines.rates)]
    inputs = len(problem.model.input_ids)
    levels = [f"const double u{i} = inputs[segment * {inputs} + {i}];" for i in range(inputs)]
    stages = []
    for stage, row in enumerate(A, start=1):
        total = _sum([repr(weight) for weight in row])
        stages.append(
            f"""for (int i = 0; i < N; i++) _Pragma("omp simd") for (int l = 0; l < W; l++)
          z[i][l] = y[i][l] + h * ({total});
        RATES(z, k[{stage}])"""
        )
    weights = [
        f"const double w{s} = x*({a}+x*({b}+x*({c}+x*({d}))));" for s, (a, b, c, d) in enumerate(B_THETA)
    ]
    text = _TEMPLATE.format(
        states=states,
        lanes=lanes,
        constants=len(lines.constants),
        loads=" ".join(loads),
        text=" ".join(lines.text),
        stores=" ".join(stores),
        levels="\n      ".join(levels),
        stages="\n        ".join(stages),
        error=_sum([repr(weight) for weight in B_ERROR]),
        weights="\n          ".join(weights),
        dense=_sum([f"w{s}" for s in range(7)]),
    )
    return text, lines.constants


def _sum(weights: list[str]) -> str:
    return " + ".join(f"({w})*k[{s}][i][l]" for s, w in enumerate(weights) if w != "0.0")


def prepare(problem: Problem, rtol: float, atol: float, lanes: int = 8) -> KernelRun:
    """Generate and compile the program and return the run; the draws are taken in groups of `lanes`."""
    text, ids = source(problem, lanes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.c"
        path.write_text(text, "utf-8")
        library = path.with_suffix(".so")
        compiled = path.with_suffix(".o")
        subprocess.run(["gcc", *FLAGS, "-c", str(path), "-o", str(compiled)], check=True)
        # Linked without -ffast-math, with which gcc makes the whole process round subnormals to zero.
        subprocess.run(["gcc", "-shared", str(compiled), "-o", str(library), "-lm"], check=True)
        program = ctypes.CDLL(str(library)).integrate
    groups, states = -(-problem.draws // lanes), len(problem.model.state_ids)
    times, (edges, inputs) = np.ascontiguousarray(problem.times_h), problem.segments

    def side_by_side(rows: np.ndarray) -> np.ndarray:
        # (draw, k) -> (group, k, lane), the last group filled up with the last draw
        filled = np.pad(rows, ((0, groups * lanes - len(rows)), (0, 0)), mode="edge")
        return np.ascontiguousarray(filled.reshape(groups, lanes, -1).transpose(0, 2, 1))

    constants = side_by_side(np.stack([problem.constants[id] for id in ids], axis=1))
    start = side_by_side(problem.start)
    made = np.zeros(groups, dtype=np.int64)
    out = np.empty((groups, len(times), states, lanes))
    number, real = ctypes.c_long, ctypes.c_double

    def pointer(values: np.ndarray) -> ctypes.c_void_p:
        return ctypes.c_void_p(values.ctypes.data)

    def solve() -> np.ndarray:
        program(
            number(groups), pointer(constants), pointer(start), number(len(inputs)), pointer(edges),
            pointer(inputs), number(len(times)), pointer(times), real(rtol), real(atol), pointer(out),
            pointer(made),
        )  # fmt: skip
        return out

    def by_draw(out: np.ndarray) -> np.ndarray:
        rows = out.transpose(0, 3, 1, 2)
        return rows.reshape(groups * lanes, len(times), states)[: problem.draws]

    return KernelRun(solve, by_draw, made)
