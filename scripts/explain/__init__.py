"""An introduction to KANs in pictures, `python -m scripts.explain`."""
