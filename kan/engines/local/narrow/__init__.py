"""Layers and networks of few features on the CPU: lanes of vectors are samples instead of outputs."""
