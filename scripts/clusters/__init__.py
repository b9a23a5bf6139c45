"""Sweeps on clusters: a few jobs of Slurm or Ray that share a sweep's runs (`sharing`)."""

__all__ = ["Worker", "is_cluster", "is_shared", "share"]

from scripts.clusters.sharing import Worker, is_cluster, is_shared, share
