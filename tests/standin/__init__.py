"""A stand-in for a GPU: `cupy` and `cupyx`, imitated strictly on NumPy, so that code for CuPy is proven without one.

    from standin import cupy, cupyx, transfers
    xp = minigrad.backends.cupy.build(cupy, cupyx)

It answers as CuPy answers and refuses what CuPy refuses: names and keywords that CuPy lacks, arrays of the host and
lists as operands, implicit conversion; it wraps indices that are out of range, draws lots where threads race, gives nan
where linear algebra has no answer, and never warns of a division by zero. In doubt it is stricter than CuPy, never
laxer: the calls in test_standin.py run on real CuPy too, where there is a GPU.

`transfers` counts what a GPU program pays for: copies to the device and to the host, and waits for the device.

record.py holds the recorded surface of CuPy, array.py the array, indexing.py its brackets, ufuncs.py its operators;
lifting.py makes functions of NumPy into functions of the device; modules.py puts all of it together.
"""

from .counters import Transfers, transfers
from .modules import cupy, cupyx

__all__ = ["Transfers", "cupy", "cupyx", "transfers"]
