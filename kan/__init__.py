"""Kolmogorov-Arnold networks: B-splines and their variants, the layer, the network, M members at a time.

At this level what a reader must know: `splines` and the member axis (`members`); layers and networks of edges whatever
the functions on them (`edge_layer`, `edge_network`) and their derivatives (`jacobian`); those of B-splines (`layer`,
`network`). In rooms: `engines` computes splines, `grids` moves them, `pruning` and `symbolic` change networks,
`variants` has other functions, `interchange` the weights of other implementations, `pictures` the drawings.
"""

__all__ = ["KAN", "RBFKAN", "ChebyshevKAN", "FourierKAN", "KANLayer", "Single"]

import sys
from types import ModuleType

from kan import edge_network, engines, grids, members, pruning, symbolic
from kan.layer import KANLayer
from kan.members import Single
from kan.network import KAN
from kan.variants import RBFKAN, ChebyshevKAN, FourierKAN

_surgery = ModuleType(f"{__name__}.surgery")
_surgery.__dict__.update(prune_in_place=pruning.prune_in_place, symbolify_in_place=symbolic.symbolify_in_place)
for _former, _module in {  # import paths before the rooms
    "affine_fit": symbolic.affine_fit,
    "cuda": engines.cuda,
    "edges": edge_network,
    "formulas": symbolic,
    "local": engines.local,
    "paths": pruning.paths,
    "portrait": pruning,
    "reference": engines.dense,
    "roughness": grids,
    "single": members,
    "sparsity": pruning,
    "surgery": _surgery,
    "symbolify": symbolic,
    "symbols": symbolic,
}.items():
    sys.modules[f"{__name__}.{_former}"] = globals()[_former] = _module
