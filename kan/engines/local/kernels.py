"""All that `kan.engines.local` needs of numba, in one module that is imported at first use."""

__all__ = ["BLOCK", "backward", "forward", "network", "normal", "record_rows", "run_in_team"]

from kan.engines.local.backward import backward
from kan.engines.local.forward import forward
from kan.engines.local.narrow.kernel import network
from kan.engines.local.normal import normal
from kan.engines.local.pointers import BLOCK, record_rows
from kan.engines.local.threads import run_in_team
