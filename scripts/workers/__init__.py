"""Sweeps on this machine: its processes (`pool`), what they show meanwhile (`display`)."""

__all__ = ["Workers"]

from scripts.workers.pool import Workers
