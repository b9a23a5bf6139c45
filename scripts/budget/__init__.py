"""Forgetting budgets of finished runs: `python -m scripts.budget`."""
