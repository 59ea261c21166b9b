"""Benchmarks: `python -m benchmarks NAME` measures

- overhead: what the engine costs beside NumPy itself;
- operations: every kind of operation beside NumPy by hand and PyTorch, from 100 to 1,000,000 elements;
- backends: the same program on NumPy, CuPy and PyTorch, and from which size on a GPU is ahead.
"""
