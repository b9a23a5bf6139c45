"""Who follows a run while it trains: the interface, Weights & Biases, TensorBoard, trackio, the progress line."""

__all__ = [
    "Clocked",
    "Progress",
    "RunInfo",
    "TensorBoardTracker",
    "Tracker",
    "TrackioTracker",
    "WandbTracker",
    "tracking_ended",
]

from continual.trackers.marker import tracking_ended
from continual.trackers.progress import Progress
from continual.trackers.tensorboard_tracker import TensorBoardTracker
from continual.trackers.tracker import Clocked, RunInfo, Tracker
from continual.trackers.trackio_tracker import TrackioTracker
from continual.trackers.wandb_tracker import WandbTracker
