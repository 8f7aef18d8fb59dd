"""swax_verify - is my kernel right?  A judge for kernels in Python, CUDA and Triton, that cannot be passed by luck.

    from swax_verify import check

    def test_my_kernel():                          # a pytest test, complete
        check(my_mlstm, op="mlstm", device="cuda", dtype="bf16")

    check(my_norm, reference=naive_norm, inputs={"x": "N C", "w": "C"})        # any kernel, by a reference of yours

The README beside this package has the rest."""

from .check import check, judge, test_of
from .kernels import Result, attention, call, delta, mlstm
from .report import Report

__version__ = "0.2.0"
__all__ = ["check", "judge", "test_of", "Report", "Result", "call", "attention", "mlstm", "delta"]
