"""a * b + c as one operation: a GPU does it in the time of either, but the kernel compiler keeps them apart.

Triton's operations carry no leave to contract, so that half of the arithmetic of a step would be
products that wait for their sum. Here a function is traced, and every product that feeds one sum
alone becomes a fused multiply-add in its place. Nothing else changes; the result differs by rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from jax.experimental.pallas import triton as plgpu
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Var

from ..jax_setup import jax, jnp

#: (a, b, c) -> a * b + c, for lane vectors.
MultiplyAdd = Callable[[Any, Any, Any], Any]


def fuse_on_gpu(a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c with one rounding, by the instruction of an NVIDIA GPU."""
    word, register = {"float32": ("f32", "f"), "float64": ("f64", "d")}[str(a.dtype)]
    [result] = plgpu.elementwise_inline_asm(
        f"fma.rn.{word} $0, $1, $2, $3;",
        args=[a, b, c],
        constraints=",".join([f"={register}", *[register] * 3]),
        pack=1,
        result_shape_dtypes=[jax.ShapeDtypeStruct(a.shape, a.dtype)],
    )
    return result


def contracted(function: Callable[..., Any], multiply_add: MultiplyAdd) -> Callable[..., Any]:
    """Return a function of arrays that does the same as `function`, with its products and sums fused."""

    def run(*args: Any) -> Any:
        traced, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        results = _evaluated(traced.jaxpr, traced.consts, jax.tree.leaves(args), multiply_add)
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return run


def _evaluated(jaxpr: Jaxpr, consts: list[Any], args: list[Any], multiply_add: MultiplyAdd) -> list[Any]:
    known: dict[Var, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))
    reads = Counter(
        item for items in (*(e.invars for e in jaxpr.eqns), jaxpr.outvars) for item in items if _is_var(item)
    )
    #: Factors of the products that are still to be used, once.
    products: dict[Var, tuple[Any, Any]] = {}

    def read(item: Any) -> Any:
        if not _is_var(item):
            return item.val
        if item in products:
            a, b = products.pop(item)
            known[item] = a * b
        return known[item]

    for equation in jaxpr.eqns:
        name, [out, *_] = equation.primitive.name, equation.outvars
        vectors = out.aval.ndim == 1 and jnp.issubdtype(out.aval.dtype, jnp.floating)
        if name == "mul" and vectors and reads[out] == 1:
            products[out] = tuple(_full(read(item), out.aval) for item in equation.invars)
        elif (
            name in ("add", "sub")
            and vectors
            and any(item in products for item in filter(_is_var, equation.invars))
        ):
            known[out] = _fused(name, equation.invars, out.aval, products, read, multiply_add)
        elif isinstance(inner := _inner(equation.params), ClosedJaxpr):
            results = _evaluated(inner.jaxpr, inner.consts, list(map(read, equation.invars)), multiply_add)
            known.update(zip(equation.outvars, results, strict=True))
        else:
            results = equation.primitive.bind(*map(read, equation.invars), **equation.params)
            results = results if equation.primitive.multiple_results else [results]
            known.update(zip(equation.outvars, results, strict=True))
    return list(map(read, jaxpr.outvars))


def _fused(
    name: str,
    items: list[Any],
    like: Any,
    products: dict[Var, Any],
    read: Callable[..., Any],
    fma: MultiplyAdd,
) -> Any:
    left, right = items
    minus = name == "sub"
    if _is_var(right) and right in products:
        a, b = products.pop(right)
        return fma(-a if minus else a, b, _full(read(left), like))
    a, b = products.pop(left)
    c = _full(read(right), like)
    return fma(a, b, -c if minus else c)


def _inner(params: dict[str, Any]) -> Any:
    # What a jitted function, or one with a derivative of its own, holds.
    return params.get("jaxpr", params.get("call_jaxpr"))


def _is_var(item: Any) -> bool:
    return not isinstance(item, Literal)


def _full(value: Any, like: Any) -> Any:
    return jnp.broadcast_to(jnp.asarray(value, like.dtype), like.shape)
