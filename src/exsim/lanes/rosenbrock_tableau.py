"""Coefficients of a Rosenbrock method, in the form that needs no product with the Jacobian.

With increments u_i of a step h from y0 at t0, W = I - h gamma J and J = df/dy(t0, y0):

    W u_i = h gamma f(t0 + c_i h, y0 + sum_j a_ij u_j) + gamma sum_j c_ij u_j + h^2 gamma d_i df/dt
    y1    = y0 + sum_i b_i u_i,   error = u_s

Hairer, E., Wanner, G. (1996) Solving Ordinary Differential Equations II, 2nd ed., section IV.7
(implementation of Rosenbrock methods), doi 10.1007/978-3-642-05221-7.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

Row = tuple[float, ...]


@dataclass(frozen=True)
class Tableau:
    """One method. The last two rows of `a` follow from its stiff accuracy: a_s,j = b_j."""

    order: int
    gamma: float
    #: a_ij of the stages 2, 3, ... up to the first that stands at the end of the step.
    a_lower: tuple[Row, ...]
    #: gamma_ij / h of the stages 2, 3, ...
    c_lower: tuple[Row, ...]
    #: Where in the step each stage stands.
    nodes: Row
    #: Weights of df/dt.
    d: Row
    #: Weights of the increments in the interpolant, one row a power (see `RodasInterpolation`).
    dense: tuple[Row, ...]

    @property
    def stages(self) -> int:
        """The number of stages."""
        return len(self.nodes)

    @cached_property
    def b(self) -> Row:
        """Weights of the increments in the new state: the last row of a, and 1 for those behind it."""
        last = self.a_lower[-1]
        return last + (1.0,) * (self.stages - len(last))

    @cached_property
    def a(self) -> np.ndarray:
        """The weights a as a matrix (stage, stage); each embedded row adds the increment before it."""
        rows = [(), *self.a_lower]
        rows += [self.b[:stage] for stage in range(len(rows), self.stages)]
        return _square(rows)

    @cached_property
    def c(self) -> np.ndarray:
        """The weights c as a matrix (stage, stage)."""
        return _square([(), *self.c_lower])


def _square(rows: list[Row]) -> np.ndarray:
    matrix = np.zeros((len(rows), len(rows)))
    for stage, row in enumerate(rows):
        matrix[stage, : len(row)] = row
    return matrix


#: Order 5(4), interpolant of order 4: Rodas5P of Steinebach, G. (2023) Construction of Rosenbrock-Wanner
#: method Rodas5P and numerical benchmarks within the Julia Differential Equations package.
#: BIT Numer. Math. 63:27, doi 10.1007/s10543-023-00967-x.
RODAS5P = Tableau(
    order=5,
    gamma=0.21193756319429014,
    a_lower=(
        (3.0,),
        (2.849394379747939, 0.45842242204463923),
        (-6.954028509809101, 2.489845061869568, -10.358996098473584),
        (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
        (
            -7.502846399306121,
            2.561846144803919,
            -11.627539656261098,
            -0.18268767659942256,
            0.030198172008377946,
        ),
    ),
    c_lower=(
        (-14.155112264123755,),
        (-17.97296035885952, -2.859693295451294),
        (147.12150275711716, -1.41221402718213, 71.68940251302358),
        (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
        (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
        (
            30.91273214028599,
            -3.1208243349937974,
            77.79954646070892,
            34.28646028294783,
            -19.097331116725623,
            -28.087943162872662,
        ),
        (
            37.80277123390563,
            -3.2571969029072276,
            112.26918849496327,
            66.9347231244047,
            -40.06618937091002,
            -54.66780262877968,
            -9.48861652309627,
        ),
    ),
    nodes=(
        0.0,
        0.6358126895828704,
        0.4095798393397535,
        0.9769306725060716,
        0.4288403609558664,
        1.0,
        1.0,
        1.0,
    ),
    d=(
        0.21193756319429014,
        -0.42387512638858027,
        -0.3384627126235924,
        1.8046452872882734,
        2.325825639765069,
        0.0,
        0.0,
        0.0,
    ),
    dense=(
        (
            25.948786856663858,
            -2.5579724845846235,
            10.433815404888879,
            -2.3679251022685204,
            0.524948541321073,
            1.1241088310450404,
            0.4272876194431874,
            -0.17202221070155493,
        ),
        (
            -9.91568850695171,
            -0.9689944594115154,
            3.0438037242978453,
            -24.495224566215796,
            20.176138334709044,
            15.98066361424651,
            -6.789040303419874,
            -6.710236069923372,
        ),
        (
            11.419903575922262,
            2.8879645146136994,
            72.92137995996029,
            80.12511834622643,
            -52.072871366152654,
            -59.78993625266729,
            -0.15582684282751913,
            4.883087185713722,
        ),
    ),
)
