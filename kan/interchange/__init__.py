"""Weights of other implementations: pykan and efficient-kan, read into our `KAN` and written back, bit for bit.

Both compute what `KANLayer` computes, with the same knots and the same half-open intervals, outside the grid too, so
nothing is converted but the order of axes. What one side can't hold is refused by name.
"""

__all__ = ["from_efficient_kan", "from_pykan", "pykan_config", "save_pykan", "to_efficient_kan", "to_pykan"]

from kan.interchange.efficient_kan import from_efficient_kan, to_efficient_kan
from kan.interchange.pykan import from_pykan, pykan_config, save_pykan, to_pykan
