"""Pictures of the tasks of any curriculum, nothing trained: `python -m scripts.tasks`."""
