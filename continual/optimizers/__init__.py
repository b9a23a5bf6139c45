"""Optimizers that keep members apart: Adam, L-BFGS, Levenberg–Marquardt, and one after the other."""

__all__ = ["LBFGS", "Adam", "LeastSquares", "LevenbergMarquardt", "Staged", "check_members", "make_optimizer"]

from continual.optimizers.adam import Adam
from continual.optimizers.lbfgs import LBFGS
from continual.optimizers.least_squares import LeastSquares
from continual.optimizers.levenberg_marquardt import LevenbergMarquardt
from continual.optimizers.making import check_members, make_optimizer
from continual.optimizers.staged import Staged
