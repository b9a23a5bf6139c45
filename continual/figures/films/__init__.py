"""Films of runs that were filmed (`probe=film`): pure functions from records to frames, and frames as files."""

__all__ = ["Film", "networks", "predictions", "save_film"]

from continual.figures.films.files import Film, save_film
from continual.figures.films.networks import networks
from continual.figures.films.predictions import predictions
