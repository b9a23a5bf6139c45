"""No strategy at all, which all others are compared with."""

__all__ = ["FineTune"]

from continual.strategies.strategy import Strategy


class FineTune(Strategy):
    """Trains on each task's own data only and does nothing against forgetting: what the KAN paper does."""
