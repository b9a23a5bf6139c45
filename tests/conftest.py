"""Settings of every test."""

import torch

# small tensors lose more to waiting for a second thread than they gain by it
torch.set_num_threads(1)
