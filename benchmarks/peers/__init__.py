"""The engines that exsim is measured beside, each on the same `Problem`; written for the benchmark only.

Every module has `prepare(problem, rtol, atol) -> Run`, whose `solve()` integrates all draws of the problem;
those of gradients have `prepare(posterior, ...) -> Engine` (`posteriors`).
What a peer computes once a model (generating and compiling code) is done in `prepare`.
"""
