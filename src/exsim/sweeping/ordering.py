"""Which lanes go together: those that will take about as many steps."""

from __future__ import annotations

from jaxtyping import Array, Float

from ..jax_setup import jax, jnp
from ..lanes import Timeline
from ..model import Model

#: Decay rates are summed in this power: the fastest counts most, and one that is the same in all
#: lanes leaves the order to those that vary.
POWER = 4


def stiffness(
    model: Model, timeline: Timeline, states: tuple[Float[Array, "lane"], ...]
) -> Float[Array, "lane"]:
    """Return a number that grows with the steps a lane will take, from its decay rates.

    The decay rate of a state is the diagonal element of the Jacobian, -d(rate)/d(state), in `states`
    and on the segment that `timeline` stands in; the number is the sum of their fourth powers.
    """
    # One tangent a state, all in one program: the diagonal is picked from the full Jacobian.
    basis = jnp.eye(len(states), dtype=states[0].dtype)

    def rates(values: tuple[Array, ...]) -> tuple[Array, ...]:
        time = timeline.schedule.edges[timeline.segment]
        found = model.derivative(jnp, time, timeline.inputs, values, timeline.constants)
        return tuple(jnp.broadcast_to(value, values[0].shape) for value in found)

    def along(direction: Array) -> Array:
        tangents = tuple(jnp.broadcast_to(d, states[0].shape) for d in direction)
        _, changes = jax.jvp(rates, (states,), (tangents,))
        return jnp.sum(jnp.stack(changes) * direction[:, None], axis=0)

    diagonal = jax.vmap(along)(basis)
    return jnp.sum(diagonal**POWER, axis=0)
