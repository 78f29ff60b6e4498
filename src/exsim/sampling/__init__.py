"""Bayesian inference: the density of a fit -> chains of draws from its posterior."""
