"""How tasks are learned one after the other, and how that is judged: loop, strategies, metrics, records, figures."""
