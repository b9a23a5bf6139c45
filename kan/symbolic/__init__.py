"""Edges that follow formulas: the library of functions, fits, conversion of networks, their formulas in SymPy."""

__all__ = [
    "LIBRARY",
    "AffineFit",
    "EdgeReport",
    "Suggestion",
    "SymbolicEdges",
    "SymbolicFunction",
    "add_function",
    "edge_samples",
    "edge_selection",
    "find_function",
    "fit_symbol",
    "fix_symbolic",
    "formula",
    "function_of",
    "release_symbolic",
    "suggest",
    "symbolic_edges",
    "symbolify",
    "symbolify_in_place",
]

from kan.symbolic.affine_fit import AffineFit, fit_symbol
from kan.symbolic.conversion import EdgeReport, Suggestion, suggest, symbolify, symbolify_in_place
from kan.symbolic.edges import (
    SymbolicEdges,
    edge_samples,
    edge_selection,
    fix_symbolic,
    release_symbolic,
    symbolic_edges,
)
from kan.symbolic.formulas import formula
from kan.symbolic.functions import LIBRARY, SymbolicFunction, add_function, find_function, function_of
