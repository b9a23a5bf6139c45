"""What is timed: layer sizes, grid size and batch; and the networks that are timed on it."""

__all__ = ["CASES", "Case", "CoxDeBoorKAN", "networks", "torch_mlp_job"]

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kan import KAN
from kan.splines import extend_grid, uniform_grid
from mlp_baselines import matched_mlp
from scripts.benchmark.timing import Job, work_job

ORDER = 3


@dataclass(frozen=True)
class Case:
    """Sizes of one comparison, with splines of order 3.

    Args:
        layer_sizes: features of every layer, inputs and outputs included.
        grid_size: intervals G.
        batch: samples B of a step.
    """

    layer_sizes: tuple[int, ...]
    grid_size: int
    batch: int

    @classmethod
    def parse(cls, text: str) -> "Case":
        """Reads "2,5,1:5:1000": layer sizes, grid size, batch.

        Raises:
            ValueError: anything else.
        """
        try:
            sizes, grid, batch = text.split(":")
            case = cls(tuple(int(size) for size in sizes.split(",")), int(grid), int(batch))
        except ValueError:
            raise ValueError(f"a case reads SIZES:GRID:BATCH, such as 2,5,1:5:1000, not {text!r}") from None
        if len(case.layer_sizes) < 2 or min(*case.layer_sizes, case.grid_size, case.batch) < 1:
            raise ValueError(f"a case needs two layer sizes and no number below 1, got {text!r}")
        return case

    def __str__(self) -> str:
        return f"[{','.join(map(str, self.layer_sizes))}] G={self.grid_size} B={self.batch}"


CASES = tuple(
    map(
        Case.parse,
        (
            "2,5,1:5:1000",
            "1,1:200:100",
            "2,16,16,1:50:1024",
            "4,64,64,1:5:1024",
            "64,64,10:20:256",
            "784,64,10:5:64",
            "256,256,256:10:512",
            "4,32,32,1:200:1024",
        ),
    )
)
"""From a single edge to a quarter of a million."""


class _CoxDeBoorLayer(nn.Module):
    """All bases of all inputs by the Cox–de Boor recursion, as every order's dense table, then one product."""

    knots: Tensor

    def __init__(self, inputs: int, outputs: int, grid_size: int) -> None:
        super().__init__()
        self.register_buffer("knots", extend_grid(uniform_grid(-1.0, 1.0, grid_size), ORDER).repeat(inputs, 1))
        self.coefficients = nn.Parameter(0.1 * torch.randn(outputs, inputs, grid_size + ORDER))
        self.spline_scale = nn.Parameter(torch.ones(outputs, inputs))
        self.base_weight = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)

    def forward(self, x: Tensor) -> Tensor:
        t, p = self.knots, x[..., None]
        table = torch.logical_and(p >= t[:, :-1], p < t[:, 1:]).to(p.dtype)
        for d in range(1, ORDER + 1):
            left = (p - t[:, : -d - 1]) / (t[:, d:-1] - t[:, : -d - 1]) * table[..., :-1]
            table = left + (t[:, d + 1 :] - p) / (t[:, d + 1 :] - t[:, 1:-d]) * table[..., 1:]
        weight = self.coefficients * self.spline_scale[..., None]
        return F.linear(table.flatten(1), weight.flatten(1)) + F.linear(F.silu(x), self.base_weight)


class CoxDeBoorKAN(nn.Module):
    """One member of a KAN, computed as efficient-kan does (https://github.com/Blealtan/efficient-kan).

    The same functions as `kan.KAN` with its defaults; tables of all bases take memory and time in proportion to the
    grid size.

    Args:
        case: sizes.
    """

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.members = 1
        sizes = case.layer_sizes
        pairs = zip(sizes[:-1], sizes[1:], strict=True)
        self.layers = nn.Sequential(*(_CoxDeBoorLayer(i, o, case.grid_size) for i, o in pairs))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (1, B, I) to (1, B, O)."""
        y: Tensor = self.layers(x[0])
        return y[None]


def networks(case: Case, members: int, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[[], Any]]:
    """Builders of everything that is compared: KANs by their engine, the dense one, and the MLP of equal parameters.

    The MLP has the depth of the KAN, or a hidden layer where the KAN has none. The dense one has no member axis.
    """
    inputs, outputs, depth = case.layer_sizes[0], case.layer_sizes[-1], len(case.layer_sizes) - 1

    def kan(in_features: int = inputs, out_features: int = outputs, members: int = 1, engine: str = "auto") -> KAN:
        return KAN(
            in_features,
            out_features,
            layer_sizes=case.layer_sizes,
            grid_size=case.grid_size,
            spline_order=ORDER,
            members=members,
            engine=engine,  # type: ignore[arg-type]
            dtype=dtype,
            device=device,
        )

    builders: dict[str, Callable[[], Any]] = {
        "KAN": lambda: kan(members=members),
        "MLP": lambda: matched_mlp(inputs, outputs, kan, max(depth, 2), members=members, dtype=dtype, device=device),
    }
    if members == 1:
        builders["dense KAN"] = lambda: kan(engine="dense")
        builders["Cox–de Boor"] = lambda: CoxDeBoorKAN(case).to(device, dtype)
    return builders


def torch_mlp_job(case: Case, x: Tensor, y: Tensor, stage: str) -> tuple[Job, int]:
    """The MLP of equal parameters as anybody writes it in torch, a `Sequential` and Adam's fused step, as a job.

    Args:
        case: sizes.
        x: inputs, (B, I).
        y: targets, (B, O).
        stage: see `network_job`.

    Returns:
        The job, and the MLP's parameters.
    """
    sizes = networks(case, 1, x.dtype, x.device)["MLP"]().layer_sizes
    parts: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        parts += [nn.Linear(inputs, outputs, dtype=x.dtype, device=x.device), nn.SiLU()]
    model = nn.Sequential(*parts[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def work() -> None:
        if stage == "forward":
            with torch.no_grad():
                model(x)
            return
        optimizer.zero_grad(set_to_none=True)
        F.mse_loss(model(x), y).backward()
        if stage == "step":
            optimizer.step()

    return work_job(work, x.device), sum(parameter.numel() for parameter in model.parameters())
