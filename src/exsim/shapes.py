"""The shape words of arrays: time, state, parameter, input, edge, segment."""

from __future__ import annotations

import numpy as np
from jaxtyping import Array, Float, Int

#: A number that may be traced.
Scalar = Float[Array, ""] | float
#: A number of a protocol: one for all lanes, or one a lane.
PerLane = Float[Array, "..."] | Float[np.ndarray, "..."] | float
#: Values at output times.
OverTime = Float[Array, "time"]
#: Output times in hours, or one column of them a lane.
OutputHours = Float[Array, "time ..."] | Float[np.ndarray, "time ..."]
#: Edges of a protocol, in order.
Edges = Float[Array, "edge ..."]
#: One value for each stretch between two edges, or one a lane.
PerSegment = Float[Array, "segment ..."]
#: Which segment, for each output time.
SegmentNumbers = Int[Array, "time"]
#: The parameters of a model, in its order, of one solve or of many as lanes, and output times: NumPy or JAX.
ParameterVector = Float[Array, "parameter *lane"] | Float[np.ndarray, "parameter *lane"]
OutputTimes = Float[Array, "time"] | Float[np.ndarray, "time"]
