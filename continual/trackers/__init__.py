"""Who follows a run while it trains: the interface, Weights & Biases, the progress line."""

__all__ = [
    "Clocked",
    "Progress",
    "RunInfo",
    "Tracker",
    "WandbTracker",
    "tracking_ended",
]

from continual.trackers.marker import tracking_ended
from continual.trackers.progress import Progress
from continual.trackers.tracker import Clocked, RunInfo, Tracker
from continual.trackers.wandb_tracker import WandbTracker
