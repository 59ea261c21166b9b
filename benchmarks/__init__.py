"""Benchmarks: `python -m benchmarks overhead` measures what the engine costs beside NumPy itself."""
