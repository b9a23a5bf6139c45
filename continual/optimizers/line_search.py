r"""Line searches along one direction, one evaluation at a time: strong Wolfe, and a fixed step.

A search never evaluates anything itself. It names the step it wants to see (`step`); whoever owns it evaluates the
loss there and hands the point to `observe`. Searches of several members can so share one evaluation of a whole stack.

Notation: f(t) is the loss at x + t d, f'(t) its slope along d; f'(0) < 0.
"""

__all__ = ["FixedStep", "Point", "StrongWolfe", "cubic_minimum"]

import math
from typing import NamedTuple


class Point(NamedTuple):
    """An evaluated point of the line. The searches read the first three fields; their owner reads the rest."""

    step: float
    """t, in units of the direction."""
    loss: float
    """f(t), in units of the loss."""
    slope: float
    """f'(t) = ∇(t) · d."""
    bend: float
    """(∇(t) − ∇(0)) · d, the change of the slope without cancellation."""
    change: float
    """‖∇(t) − ∇(0)‖²."""
    largest: float
    """max |∇(t)|."""
    reach: float
    """max |d|, which turns a difference of steps into the largest movement of a parameter."""


def cubic_minimum(a: Point, b: Point, lower: float, upper: float) -> float:
    r"""Minimum of the cubic through two points and their slopes, kept within bounds.

    Nocedal & Wright, Numerical Optimization (2006), eq. 3.59, for a < b:

    $$t = b - (b - a) \frac{f'(b) + d_2 - d_1}{f'(b) - f'(a) + 2 d_2},\quad
      d_1 = f'(a) + f'(b) - 3 \frac{f(b) - f(a)}{b - a},\quad d_2 = \sqrt{d_1^2 - f'(a) f'(b)}$$

    Args:
        a: one end, in any order.
        b: the other end.
        lower: smallest step allowed.
        upper: largest step allowed.

    Returns:
        A step in [lower, upper]; the middle where the cubic has no minimum or its value is not a number.
    """
    if a.step > b.step:
        a, b = b, a
    middle = (lower + upper) / 2.0
    width = b.step - a.step
    if width == 0.0:
        return middle
    d1 = a.slope + b.slope - 3 * (b.loss - a.loss) / width
    radicand = d1 * d1 - a.slope * b.slope
    if not radicand >= 0.0:
        return middle
    d2 = math.sqrt(radicand)
    above, below = b.slope + d2 - d1, b.slope - a.slope + 2 * d2
    if below == 0.0:  # a straight line falls, or rises, for ever
        return middle if above == 0.0 or math.isnan(above) else upper if above < 0.0 else lower
    step = b.step - width * (above / below)
    return middle if math.isnan(step) else min(max(step, lower), upper)


class FixedStep:
    """No search: the first step is taken whatever the loss there.

    Args:
        start: the point at step 0.
        step: the step to take.
    """

    __slots__ = ("best", "start", "step")

    def __init__(self, start: Point, step: float) -> None:
        self.start = self.best = start
        self.step = step

    def observe(self, point: Point) -> bool:
        """Accept the point as `best`; always True, the search is over."""
        self.best = point
        return True


SUFFICIENT_DECREASE = 1e-4
"""c1 of the Wolfe conditions."""

CURVATURE = 0.9
"""c2 of the Wolfe conditions."""


class StrongWolfe:
    r"""Search for a step that meets the strong Wolfe conditions.

    $$f(t) \le f(0) + c_1 t f'(0) \quad\text{and}\quad |f'(t)| \le c_2 |f'(0)|,\qquad c_1 = 10^{-4},\ c_2 = 0.9$$

    Nocedal & Wright, algorithms 3.5 (bracketing) and 3.6 (zoom), with the interpolation, safeguards and limits of
    minFunc as in `torch.optim.LBFGS`, whose sequence of steps this one repeats. A bracket that moves no parameter by
    1e-9 ends the search. A loss of +∞ is a step too long and is bisected away; a loss of NaN must not be handed in.

    Args:
        start: the point at step 0, with a negative slope.
        step: the first step to try, > 0.
        budget: evaluations after which the search ends with the best point so far; at least one is always made,
            and the limit is noticed one evaluation later, as in torch.
    """

    __slots__ = ("_budget", "_crowded", "_ends", "_low", "_seen", "start", "step")

    def __init__(self, start: Point, step: float, budget: int) -> None:
        self.start = start
        self.step = step
        self._budget = budget
        self._seen = 0
        self._ends = [start]  # one point while bracketing (the last one seen), two once a bracket is found
        self._low = 0
        self._crowded = False  # the last step of the zoom was close to an end of the bracket

    @property
    def best(self) -> Point:
        """The accepted point once the search is over; before, the point that would be accepted if it ended now."""
        return self._ends[self._low]

    def observe(self, point: Point) -> bool:
        """Take in the evaluation at `step` and choose the next step.

        Args:
            point: the evaluation; its loss is not NaN.

        Returns:
            True when the search is over and `best` is its result, False when `step` should be evaluated next.
        """
        self._seen += 1
        return self._narrow(point) if len(self._ends) == 2 else self._bracket(point)

    def _too_high(self, point: Point) -> bool:
        return point.loss > self.start.loss + SUFFICIENT_DECREASE * point.step * self.start.slope

    def _flat(self, point: Point) -> bool:
        return abs(point.slope) <= -CURVATURE * self.start.slope

    def _bracket(self, point: Point) -> bool:
        last = self._ends[0]
        if self._seen > self._budget:
            self._ends[0] = self.start if self.start.loss <= point.loss else point
            return True
        high = self._too_high(point) or (self._seen > 2 and point.loss >= last.loss)
        if not high and self._flat(point):
            self._ends[0] = point
            return True
        if high or point.slope >= 0.0:
            self._ends.append(point)
            self._order()
            return self._zoom(point.reach)
        step = point.step
        self.step = cubic_minimum(last, point, step + 0.01 * (step - last.step), step * 10)
        self._ends[0] = point
        return False

    def _narrow(self, point: Point) -> bool:
        ends, low = self._ends, self._low
        if self._too_high(point) or point.loss >= ends[low].loss:
            ends[1 - low] = point
            self._order()
            return self._zoom(point.reach)
        flat = self._flat(point)
        if not flat and point.slope * (ends[1 - low].step - ends[low].step) >= 0.0:
            ends[1 - low] = ends[low]
        ends[low] = point
        return flat or self._zoom(point.reach)

    def _order(self) -> None:
        self._low = 0 if self._ends[0].loss <= self._ends[1].loss else 1

    def _zoom(self, reach: float) -> bool:
        """Choose a step inside the bracket; True where the bracket or the budget is used up."""
        left, right = sorted((self._ends[0].step, self._ends[1].step))
        if self._seen > self._budget or (right - left) * reach < 1e-9:
            return True
        step = cubic_minimum(self._ends[0], self._ends[1], left, right)
        margin = 0.1 * (right - left)
        close = min(right - step, step - left) < margin
        if close and (self._crowded or step >= right or step <= left):
            step = right - margin if abs(step - right) < abs(step - left) else left + margin
            close = False
        self._crowded = close
        self.step = step
        return False
