"""The engines that exsim is measured beside, each on the same `Problem`; written for the benchmark only.

Every module has `NAME` and `prepare(problem, rtol, atol) -> run`, where `run()` integrates all draws of the
problem and returns the states, shape (draw, time, state). What a peer computes once a model (generating
and compiling code) is done in `prepare`.
"""
