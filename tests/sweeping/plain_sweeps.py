"""A model whose draws all end, and what makes two results the same."""

import numpy as np

PLAIN = {
    "schema": 1,
    "model": "grows",
    "output": {"until": "2 h", "every": "15 min"},
    "solver": {"method": "tsit5"},
}
TURNOVER = "model turnover\n  unit time_unit = 3600 second;\n  y = 1; k = 0.5;\n  y' = 1 - k * y;\nend\n"
Y_PEAK = {"y": ["peak", "auc"]}


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(
        first[name].dtype == second[name].dtype and first[name].tobytes() == second[name].tobytes()
        for name in first
    )
