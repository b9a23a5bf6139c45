"""What edges do, and what becomes of those that do next to nothing: sizes, penalty, pruning, curves as plain arrays."""

__all__ = [
    "EdgeScores",
    "Measure",
    "PrunedMember",
    "PruningMeasure",
    "PruningReport",
    "SparsityPenalty",
    "connected",
    "edge_l1",
    "edge_scores",
    "edge_std",
    "node_counts",
    "portrait",
    "prune",
    "prune_in_place",
    "shapes",
    "share_entropy",
    "strongest_paths",
]

from kan.pruning.in_place import prune_in_place
from kan.pruning.paths import connected, node_counts, strongest_paths
from kan.pruning.portraits import portrait
from kan.pruning.removal import PrunedMember, PruningMeasure, PruningReport, prune, shapes
from kan.pruning.sizes import EdgeScores, edge_l1, edge_scores, edge_std
from kan.pruning.sparsity import Measure, SparsityPenalty, share_entropy
