"""Bits per layer: which precision every op of a network gets, under a bound on its latency, size or energy.

Wang et al. 2019, HAQ: Hardware-Aware Automated Quantization with Mixed Precision (arXiv 1811.08886).
"""

from __future__ import annotations
