"""A whole program as one kernel on the CPU, where starting kernels would cost more than the arithmetic.

XLA's CPU runtime starts a kernel of its own for every fused operation, at some 50 ns each: more
than a hundred of them a step of a small model, and ten times the time of the arithmetic in them.
XLA can also compile a called computation as one function. It does so by itself for loops that
touch less than 1 kB (its pass "small-while-loop-hoisting"), by marking the call with the
attribute `xla_cpu_small_call`; here a whole solve is marked.

Such a function has no fallback, so the mark is set only where it is known to work: versions of
JAX that were tried, the operations of `SIMPLE`, one argument that is an array and is read (XLA
ends the process over an argument that nothing reads). It is dropped on other devices, under
`vmap` and in derivatives: these programs run as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxlib.mlir import ir
from jaxtyping import Array

from ..jax_setup import jax

#: Versions of JAX with which marked programs were tried.
TRIED = ((0, 10),)

_SIMPLE = """
    abs acos acosh add and asin asinh atan atan2 atanh ceil clamp cos cosh div eq exp exp2 expm1 floor
    ge gt integer_pow is_finite le log log1p logistic lt max min mul ne neg nextafter not or pow rem
    round rsqrt select_n sign sin sinh sqrt square sub tan tanh xor
    broadcast_in_dim concatenate convert_element_type copy dynamic_slice dynamic_update_slice expand_dims
    gather iota maybe_set pad reshape rev slice split squeeze stack transpose unstack
    reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum
    cond custom_jvp_call jit nonbatchable pjit scan select_if_vmap stop_gradient unvmap_any while
"""
#: Operations of JAX that XLA compiles inside one function: elementwise, moving, reducing, structural.
SIMPLE = frozenset(_SIMPLE.split())


def as_one_kernel(program: Callable[[Array], Any], numbers: Array) -> Any:
    """Return `program(numbers)`, compiled as one kernel where that is known to work.

    `program` is a pure function of one array whose results are arrays.
    """
    kernel = jax.jit(program)
    results = kernel(numbers)
    if jax.__version_info__[:2] not in TRIED or not _is_simple(kernel.trace(numbers).jaxpr.jaxpr):
        return results
    leaves, structure = jax.tree.flatten(results)
    return jax.tree.unflatten(structure, [_mark.bind(leaves[0]), *leaves[1:]])


def _is_simple(jaxpr: Any) -> bool:
    return all(
        (equation.primitive.name in SIMPLE or _sets_one_place(equation))
        and all(_is_simple(inner) for value in equation.params.values() for inner in _jaxprs(value))
        for equation in jaxpr.eqns
    )


def _sets_one_place(equation: Any) -> bool:
    # A scatter to one place is an update of a slice, and XLA rewrites it so.
    return equation.primitive.name == "scatter" and equation.invars[1].aval.ndim == 1


def _jaxprs(value: Any) -> Iterator[Any]:
    for item in value if isinstance(value, tuple | list) else (value,):
        inner = getattr(item, "jaxpr", item)
        if hasattr(inner, "eqns"):
            yield inner


# The identity; on the CPU it marks the call that its operand is a result of.
_mark = Primitive("one_kernel")
_mark.def_impl(lambda value: value)
_mark.def_abstract_eval(lambda value: value)
ad.primitive_jvps[_mark] = lambda values, tangents: (values[0], tangents[0])
batching.primitive_batchers[_mark] = lambda values, axes: (values[0], axes[0])


def _mark_the_call(context: Any, value: Any) -> list[Any]:
    call = value.owner
    if getattr(call, "name", "") == "func.call":
        wanted = {"xla_cpu_small_call": "true", "inlineable": "false"}
        call.attributes["mhlo.frontend_attributes"] = ir.DictAttr.get(
            {key: ir.StringAttr.get(text) for key, text in wanted.items()}
        )
    return [value]


mlir.register_lowering(_mark, lambda context, value: [value])
mlir.register_lowering(_mark, _mark_the_call, platform="cpu", cacheable=False)
