"""What the agent sees of a layer (Wang et al. 2019, section 3.2)."""

from __future__ import annotations

import math

import numpy as np

from latkit._io.arrays import Floats
from latkit.ops import Op
from latkit.spaces import ChainSpace

STATE_SIZE = 10
"""Elements of an observation, the action of the layer before included."""


def observations(space: ChainSpace) -> Floats:
    """The observations of all choices, shape (choices, 10), each element scaled to 0 to 1 over the network.

    For a convolution: (k, c_in, c_out, s_kernel, s_stride, s_feat, n_params, i_dw, i_w/a, a_k-1). A layer of matrix
    products has kernel 1 and stride 0. The last element, the action of the layer before, is 0 here and filled in by
    the episode. An op's precision sets weights and activations together, so i_w/a is 1 throughout; an op of several
    convolutions has the depthwise share of its MACs as i_dw.
    """
    raw = np.array([_raw(place, layer.candidates[0]) for place, layer in enumerate(space.choice_layers)])
    lowest, highest = raw.min(axis=0), raw.max(axis=0)
    spread = np.where(highest > lowest, highest - lowest, 1.0)
    scaled = np.where(highest > lowest, (raw - lowest) / spread, np.clip(raw, 0.0, 1.0))
    return np.hstack([scaled, np.zeros((len(raw), 1))])


def _raw(place: int, op: Op) -> list[float]:
    spatial = max(op.parts, key=lambda part: part.kernel)
    is_image = len(op.input_shape) == 3
    return [
        float(place),
        float(op.input_shape[0]),
        float(op.output_shape[0]),
        float(spatial.kernel) if is_image else 1.0,
        float(spatial.stride) if is_image else 0.0,
        float(math.prod(op.input_shape)),
        float(op.parameters),
        op.work.depthwise_macs / op.macs if op.macs else 0.0,
        1.0,
    ]
