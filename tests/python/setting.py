"""Where the package is, and the seed of every check that is given none: no test draws one by itself.  SWAX_SEED=N is
another for all of them."""

import os
import sys

PACKAGE = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "python"))
sys.path.insert(0, PACKAGE)
os.environ.setdefault("SWAX_SEED", "20261126")
