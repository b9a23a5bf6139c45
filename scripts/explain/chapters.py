"""What the introduction says: for each figure a title, a formula, words, and what draws it."""

__all__ = ["CHAPTERS", "Chapter"]

from collections.abc import Callable
from typing import NamedTuple

from matplotlib.figure import Figure

from kan import pictures
from kan.pruning.portraits import portrait
from scripts.explain.models import one_dimensional, product_network, samples, toy_networks
from scripts.explain.stills import nodes_and_edges, parameter_lines, product_surface, steps

GREEN, VERMILION = "#009e73", "#d55e00"


class Chapter(NamedTuple):
    """One figure of the introduction."""

    name: str
    """Of its files."""
    title: str
    formula: str
    """What matplotlib's mathtext can set."""
    text: str
    draw: Callable[[], Figure]
    widget: str = ""
    """What can be played with, by its name in the scripts; nothing if empty."""


def _edges() -> Figure:
    model, member = toy_networks()[0]
    return pictures.plot_edges(model, samples(), layer=0, member=member)


def _network() -> Figure:
    panels = [
        pictures.Panel(f"KAN {model.layer_sizes}", portrait(model, samples()), member, ("x", "y"), ("f(x, y)",))
        for model, member in toy_networks()
    ]
    return pictures.draw_networks([panels])


def _locality() -> Figure:
    flat, deep, mlp = one_dimensional()
    return pictures.plot_locality(
        [
            pictures.Move(flat, "layers.0.coefficients", (0, 0, 6, 0), 0.8, "KAN [1, 1]"),
            pictures.Move(deep, "layers.1.coefficients", (0, 1, 6, 0), 0.8, "KAN [1, 3, 1]", GREEN),
            pictures.Move(mlp, "weights.0", (0, 0, 11), 0.8, "MLP [1, 16, 1]", VERMILION),
        ]
    )


def _product() -> Figure:
    model, member = product_network()
    drawn = portrait(model, samples())
    return pictures.draw_networks(
        [[pictures.Panel("KAN [2, 2, 1] that learned xy", drawn, member, ("x", "y"), ("xy",))]]
    )


CHAPTERS = (
    Chapter(
        "networks",
        "Two kinds of networks",
        r"$\mathrm{MLP:} \;\; y_o = \sum_i \, w_{o,i} \, \sigma(h_i), \qquad "
        r"\mathrm{KAN:} \;\; y_o = \sum_i \, \phi_{o,i}(x_i)$",
        "In a multilayer perceptron every connection is one number, a weight, and every node passes its sum through "
        "the same fixed function, tanh say. In a Kolmogorov–Arnold network every connection is a function of one "
        "variable that is learned, and a node only adds up what arrives. So a KAN of the same shape has more "
        "numbers, and fewer nodes may do.",
        nodes_and_edges,
    ),
    Chapter(
        "approximation",
        "Any curve from steps",
        r"$f(x) \approx \sum_{j=1}^{n} \, f(m_j) \, "
        r"\left[ \, \sigma(s(x - a_j)) - \sigma(s(x - a_{j+1})) \, \right]$",
        "Two sigmoids make a gate that opens at one place and closes at the next; n gates make a staircase, and with "
        "more and steeper steps it comes as close to any continuous curve as one likes. That is why an MLP with one "
        "hidden layer can approximate anything. It says nothing of how many units that costs: here the error halves "
        "when their number doubles. Move the sliders: a flat sigmoid blurs the steps, a sharp one cuts them.",
        steps,
        "approximation",
    ),
    Chapter(
        "theorem",
        "Kolmogorov and Arnold: only sums",
        r"$f(x_1, \ldots, x_n) = \sum_{q=1}^{2n+1} \Phi_q \left( \, \sum_{p=1}^{n} \, \phi_{q,p}(x_p) \right)$",
        "Every continuous function of several variables on a box is made of functions of one variable and sums, "
        "nothing else (Kolmogorov 1957, Arnold 1957). A product is one of them in more than one way: half of (x + "
        "y)² − x² − y², or, of positive numbers, exp(log x + log y). The theorem promises continuous inner functions "
        "and no more: they can be so jagged that nothing could learn them. KANs hope that functions met in practice "
        "have smooth ones, and use more layers where two do not suffice.",
        product_surface,
        "theorem",
    ),
    Chapter(
        "bezier",
        "A curve from a few points",
        r"$c(t) = \sum_{i=0}^{n} \, b_{i,n}(t) \, p_i, \qquad p_i^r = (1-t) \, p_i^{r-1} + t \, p_{i+1}^{r-1}$",
        "Four points draw a smooth curve. Take a number t between 0 and 1, go that far along each side of the grey "
        "polygon, join the places you reach, and go that far along each of the new lines; after three rounds one "
        "point is left, and it lies on the curve (de Casteljau). The same point is a weighted mean of the four "
        "control points, and the weights, on the right, depend on t alone. The curve never leaves the hull of its "
        "points and follows them when they are moved.",
        pictures.plot_bezier,
        "bezier",
    ),
    Chapter(
        "bernstein",
        "The weights of a Bézier curve",
        r"$b_{i,n}(t) = \binom{n}{i} \, t^i \, (1-t)^{n-i}, \qquad \sum_{i=0}^{n} \, b_{i,n}(t) = 1$",
        "The Bernstein polynomials of degree n: n + 1 of them, none negative, with the sum one at every t. More "
        "control points need a higher degree, and each weight is above zero on the whole interval: move one point "
        "and the whole curve moves. A hundred points would mean degree 99, and weights so alike that the points can "
        "hardly be told from the curve: the condition number of going from points on the curve back to its control "
        "points, at even places, is 3e3 at degree 10, 9e11 at 30, and at 40 beyond what float64 can tell. Splines "
        "mend both.",
        pictures.plot_bernstein,
    ),
    Chapter(
        "bspline_basis",
        "B-splines: weights that end",
        r"$s(x) = \sum_{i=0}^{G+k-1} \, c_i \, B_{i,k}(x), \qquad B_{i,k}(x) = 0 \;\; \mathrm{outside} \;\; "
        r"(t_i, \, t_{i+k+1})$",
        "Cut the domain into G intervals, the grid (grey), and use many short pieces of low degree k in place of one "
        "polynomial of high degree. A basis function lives on k + 1 neighbouring intervals (one of them is filled) "
        "and is exactly zero elsewhere; G + k of them touch the grid, and at any point k + 1 are alive. For the ones "
        "at the ends the knots go on for k intervals on either side (pale ticks). On the grid, and only there, they "
        "sum to one. At order 3, what KANs use, curves have two continuous derivatives.",
        pictures.plot_bspline_basis,
    ),
    Chapter(
        "recursion",
        "Where the shapes come from",
        r"$B_{i,k}(x) = \dfrac{x - t_i}{t_{i+k} - t_i} \, B_{i,k-1}(x) + "
        r"\dfrac{t_{i+k+1} - x}{t_{i+k+1} - t_{i+1}} \, B_{i+1,k-1}(x)$",
        "The recursion of Cox and de Boor. Take two neighbours of the order below (dashed), multiply the left one by "
        "a straight ramp from 0 up to 1 and the right one by a ramp from 1 down to 0 (filled), and add. Order 0 is "
        "1 on one interval and 0 elsewhere; each round adds one interval and one continuous derivative.",
        pictures.plot_recursion,
    ),
    Chapter(
        "spline_curve",
        "A spline is a weighted sum",
        r"$s(x) = \sum_i \, c_i \, B_{i,k}(x), \qquad \xi_i = \dfrac{t_{i+1} + \cdots + t_{i+k}}{k}$",
        "Each basis function times its coefficient, and their sum in blue. The coefficients, drawn at the means ξ of "
        "the knots inside their basis functions (the Greville points), form a polygon that the curve follows closely. "
        "These numbers are what a KAN learns. Outside the grid the curve fades to zero.",
        pictures.plot_spline_curve,
        "bspline",
    ),
    Chapter(
        "refinement",
        "A finer grid, the same curve",
        r"$s(x) = \sum_{i=0}^{G+k-1} \, c_i \, B_i(x) = \sum_{j=0}^{2G+k-1} \, \tilde c_j \, \tilde B_j(x)$",
        "Halve every interval: the finer bases can draw everything that the coarser ones can, so the curve stays as "
        "it is to the last digit while it gets nearly twice as many coefficients (knot insertion). A KAN that has "
        "learned all its grid can hold goes on learning on a finer one; the polygon comes closer to the curve.",
        pictures.plot_refinement,
    ),
    Chapter(
        "edges",
        "The edge of a KAN",
        r"$\phi(x) = w^b \, \mathrm{silu}(x) + w^s \, \sum_{n=0}^{G+k-1} \, c_n \, B_n(x)$",
        "Every edge of a KAN is a function of one variable: a spline and, dashed, a smooth base function that also "
        "acts outside the grid. These two belong to a network that has learned exp(sin(πx) + y²) from samples: the "
        "left edge, fed with x, has become a sine wave, the right one, fed with y, a parabola, each up to a factor, a "
        "sign and a constant. Grey bars below: the inputs that the edge has seen.",
        _edges,
    ),
    Chapter(
        "network",
        "A whole network",
        r"$\mathrm{KAN}(x) = (\Phi_{L-1} \circ \cdots \circ \Phi_0)(x), \qquad "
        r"y_o = \sum_i \, \phi_{i,o}(x_i), \qquad \mathrm{opacity} = \tanh(3 \, |\phi|_1)$",
        "Read it from the bottom up: inputs, one function on every edge, sums at the nodes. Both networks have learned "
        "f(x, y) = exp(sin(πx) + y²). The narrow one shows the formula: a sine and a square are added, and the edge "
        "above is an exponential. The wide one has learned the same function in a way that is hard to read; penalties "
        "on the size of edges, pruning and symbolic formulas turn such a network into one like the first. Strong "
        "edges are dark and weak ones pale, as in the KAN paper (arXiv 2404.19756, Fig. 4.1).",
        _network,
        "layer",
    ),
    Chapter(
        "parameters",
        "What it costs",
        r"$\mathrm{KAN:} \;\; O(N^2 L \, (G + k)), \qquad \mathrm{MLP:} \;\; O(N^2 L)$",
        "Count numbers: L layers of N nodes have about N²L connections, each of which is one number in an MLP and G "
        "+ k coefficients in a KAN, with two scales as the paper's code has them G + k + 2. At the same width a KAN "
        "is larger by that factor, so comparisons are fair only at equal parameters, equal operations or equal time; "
        "each experiment here says which.",
        parameter_lines,
        "parameters",
    ),
    Chapter(
        "product",
        "Reading a network",
        r"$xy = \frac{1}{4} \left[ \, (x + y)^2 - (x - y)^2 \, \right] = "
        r"\frac{1}{2} \left[ \, (x + y)^2 - (x^2 + y^2) \, \right]$",
        "A KAN [2, 2, 1] that has learned xy from samples. Below are straight lines, so that each hidden node holds a "
        "sum of x and y with some weights; above are two parabolas, one open upwards and one downwards: it has found "
        "the difference of two squares, the first formula. The KAN paper's network found the second; a seed decides. "
        "Larger networks come to such a size by a penalty on their edges' sizes and by pruning what does little, and "
        "edges that follow a known function can be replaced by it: the network becomes a formula.",
        _product,
    ),
    Chapter(
        "locality",
        "Why a KAN might forget less",
        r"$\dfrac{\partial s(x)}{\partial c_i} = B_{i,k}(x) = 0 \;\; \mathrm{for} \;\; x \notin (t_i, \, t_{i+k+1})$",
        "Three models have learned the same curve; now one number of each is moved, and shaded is where the output "
        "changes at all. In a KAN of one layer it changes on the k + 1 = 4 intervals of one basis function and "
        "nowhere else by a single bit: what is learned elsewhere can't be forgotten. With a second layer part of this "
        "is lost: a coefficient there acts wherever the first layer sends x into its intervals, which can be "
        "anywhere. A weight of an MLP moves the whole domain, if only slightly where its unit is flat. How much "
        "locality helps against forgetting, and when it does not, is what this project measures.",
        _locality,
        "forgetting",
    ),
)
"""In the order of reading."""
