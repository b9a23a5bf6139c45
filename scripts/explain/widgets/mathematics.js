// Curves and splines as plain functions of numbers; nothing here touches the page.

/** Bernstein polynomials b_{0,n}(t) … b_{n,n}(t), by de Casteljau's recursion, which stays exact for any degree. */
function bernstein(degree, t) {
  let weights = [1];
  for (let d = 1; d <= degree; d++) {
    const next = new Array(d + 1).fill(0);
    weights.forEach((w, i) => {
      next[i] += (1 - t) * w;
      next[i + 1] += t * w;
    });
    weights = next;
  }
  return weights;
}

/** Repeated interpolation: the control points, the places between them, …, the point of the curve. */
function deCasteljau(points, t) {
  const levels = [points];
  while (levels[levels.length - 1].length > 1) {
    const above = levels[levels.length - 1];
    levels.push(above.slice(1).map((p, i) => [0, 1].map((a) => (1 - t) * above[i][a] + t * p[a])));
  }
  return levels;
}

/** Knots t_0 … t_{G+2k}: G even intervals on [low, high], and k more on either side. */
function evenKnots(low, high, intervals, order) {
  const step = (high - low) / intervals;
  return Array.from({ length: intervals + 2 * order + 1 }, (_, i) => low + (i - order) * step);
}

/** All bases B_{0,k}(x) … by the recursion of Cox and de Boor; the grid's right end belongs to its last interval. */
function bases(knots, order, x) {
  const last = knots.length - 1 - order;
  let found = knots.slice(1).map((right, i) => {
    const closed = x === right && i + 1 === last;
    return (knots[i] <= x && x < right && !(x === knots[last] && i === last)) || closed ? 1 : 0;
  });
  for (let d = 1; d <= order; d++)
    found = found
      .slice(1)
      .map(
        (next, i) =>
          ((x - knots[i]) / (knots[i + d] - knots[i])) * found[i] +
          ((knots[i + d + 1] - x) / (knots[i + d + 1] - knots[i + 1])) * next,
      );
  return found;
}

/** The value of a spline. */
function splineAt(knots, order, coefficients, x) {
  return bases(knots, order, x).reduce((sum, b, i) => sum + b * coefficients[i], 0);
}

/** The derivative of a spline as a spline of one order less: its knots and coefficients. */
function derivativeOf(knots, order, coefficients) {
  const slopes = coefficients
    .slice(1)
    .map((c, i) => (order * (c - coefficients[i])) / (knots[i + 1 + order] - knots[i + 1]));
  return { knots: knots.slice(1, -1), order: order - 1, coefficients: slopes };
}

/** The Greville point of each basis, where its coefficient is drawn: the mean of the knots inside it. */
function greville(knots, order) {
  return Array.from({ length: knots.length - order - 1 }, (_, i) =>
    order === 0 ? (knots[i] + knots[i + 1]) / 2 : knots.slice(i + 1, i + 1 + order).reduce((a, b) => a + b, 0) / order,
  );
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const silu = (x) => x * sigmoid(x);

/** Evenly spaced numbers, both ends included. */
function spread(low, high, count) {
  return Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));
}
