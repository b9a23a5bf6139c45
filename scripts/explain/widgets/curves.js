// Steps of sigmoids, Bézier curves, B-splines: what can be dragged in the chapters on curves.

const WIDGETS = {};

WIDGETS.approximation = (place) => {
  const state = { steps: 8, sharpness: 200 };
  const target = (x) => Math.cos(2 * Math.PI * x);
  const said = words();
  const value = (x) => {
    let sum = 0;
    for (let j = 0; j < state.steps; j++) {
      const [left, right] = [j / state.steps, (j + 1) / state.steps];
      const gate = sigmoid(state.sharpness * (x - left)) - sigmoid(state.sharpness * (x - right));
      sum += target((left + right) / 2) * gate;
    }
    return sum;
  };
  const plot = new Plot("a cosine and its steps", {
    x: [0, 1],
    y: [-1.5, 1.5],
    draw: (p) => {
      const xs = spread(0, 1, 401);
      p.line(xs.map((x) => [x, target(x)]), { class: "target" });
      p.line(xs.map((x) => [x, value(x)]), { stroke: COLOURS[0] });
      const inside = xs.slice(4, -4);
      const error = Math.sqrt(inside.reduce((sum, x) => sum + (value(x) - target(x)) ** 2, 0) / inside.length);
      said.textContent = `${state.steps} steps, ${2 * state.steps} sigmoid units: RMSE ${short(error)}.`;
    },
  });
  place.append(
    plot.svg,
    slider("steps", { min: 2, max: 64, value: 8 }, (n) => ((state.steps = n), plot.redraw())),
    slider("sharpness of a sigmoid", { min: 10, max: 1000, step: 10, value: 200 }, (n) => ((state.sharpness = n), plot.redraw())),
    said,
  );
  plot.redraw();
};

WIDGETS.theorem = (place) => {
  const state = { x: 0.6, y: 0.8 };
  const said = words();
  const show = () => {
    const { x, y } = state;
    const squares = ((x + y) ** 2 - x ** 2 - y ** 2) / 2;
    const logs = Math.exp(Math.log(x) + Math.log(y));
    said.textContent =
      `½ ((x + y)² − x² − y²) = ½ (${short((x + y) ** 2)} − ${short(x ** 2)} − ${short(y ** 2)}) = ${short(squares)};  ` +
      `exp(log x + log y) = exp(${short(Math.log(x))} + ${short(Math.log(y))}) = ${short(logs)};  xy = ${short(x * y)}.`;
  };
  for (const name of ["x", "y"])
    place.append(slider(name, { min: 0.05, max: 2, step: 0.05, value: state[name] }, (n) => ((state[name] = n), show())));
  place.append(said);
  show();
};

WIDGETS.bezier = (place) => {
  const state = { points: [], t: 0.4 };
  const said = words();
  const weights = new Plot("Bernstein weights at t", {
    x: [0, 1],
    y: [0, 1],
    height: 120,
    draw: (p) => {
      const now = bernstein(state.points.length - 1, state.t);
      const width = 1 / now.length;
      now.forEach((w, i) => {
        p.line([[(i + 0.5) * width, 0], [(i + 0.5) * width, w]], { stroke: COLOURS[i % 6], "stroke-width": Math.max(1.5, Math.min(18, 300 * width)) });
      });
    },
  });
  const plot = new Plot("a Bézier curve", {
    x: [0, 1],
    y: [0, 1],
    height: 280,
    draw: (p) => {
      const { points, t } = state;
      p.line(points, { class: "target" });
      const few = points.length <= 12;
      const levels = deCasteljau(points, t);
      if (few) levels.slice(1, -1).forEach((level, r) => p.line(level, { stroke: COLOURS[1 + (r % 5)], "stroke-width": 1.2 }));
      p.line(spread(0, 1, 200).map((s) => levels.length && curveAt(points, s)), { stroke: COLOURS[0], "stroke-width": 2.5 });
      p.dot(...levels[levels.length - 1][0], { class: "point" });
      const largest = Math.max(...bernstein(points.length - 1, t));
      said.textContent =
        `${points.length} points, degree ${points.length - 1}; the largest weight at t = ${short(t)} is ${short(largest)}.` +
        (few ? "" : " Every point moves the whole curve, and none of them moves it much.");
    },
  });
  const curveAt = (points, s) => {
    const b = bernstein(points.length - 1, s);
    return [0, 1].map((a) => points.reduce((sum, p, i) => sum + b[i] * p[a], 0));
  };
  const begin = (count) => {
    state.points = spread(0.08, 0.92, count).map((x, i) => [x, count <= 4 ? [0.2, 0.85, 0.75, 0.15][i] : 0.5 + 0.4 * Math.sin(7 * x + (i % 2))]);
    plot.clear();
    state.points.forEach((_, i) =>
      plot.handle(`control point ${i + 1}`, () => state.points[i], (x, y) => (state.points[i] = [x, y]), COLOURS[i % 6]),
    );
    for (const { grip } of plot.handles) grip.setAttribute("r", count > 12 ? 4 : 9);
    plot.redraw();
    weights.redraw();
  };
  const time = slider("t", { min: 0, max: 1, step: 0.01, value: state.t }, (t) => show(t));
  const show = (t) => {
    state.t = t;
    time.set(t);
    plot.redraw();
    weights.redraw();
  };
  const play = player("Play", {
    frame: () => show(state.t >= 1 ? 0 : Math.min(state.t + 0.005, 1)) ?? state.t < 1,
    finish: () => show(state.t >= 1 ? 0 : 1),
  });
  const counts = [2, 3, 4, 5, 6, 8, 12, 20, 50, 100];
  place.append(
    plot.svg,
    time,
    play,
    slider("control points", { min: 0, max: 9, value: 2, show: (n) => String(counts[n]) }, (n) => begin(counts[n])),
    weights.svg,
    said,
  );
  begin(4);
};

WIDGETS.bspline = (place) => {
  const state = { order: 3, intervals: 8, derivative: 0, coefficients: [] };
  const said = words();
  const knots = () => evenKnots(-1, 1, state.intervals, state.order);
  const plot = new Plot("a B-spline curve", {
    x: [-1, 1],
    y: [-1.5, 1.5],
    height: 280,
    draw: (p) => {
      const own = knots();
      const { order, intervals } = state;
      const held = p.held;
      if (held >= 0) p.field(Math.max(own[held], -1), Math.min(own[held + order + 1], 1));
      for (const knot of own) if (Math.abs(knot) <= 1 + 1e-9) p.line([[knot, -1.5], [knot, -1.42]], { class: "axis" });
      let spline = { knots: own, order, coefficients: state.coefficients };
      for (let d = 0; d < state.derivative && spline.order > 0; d++) spline = derivativeOf(spline.knots, spline.order, spline.coefficients);
      const points = greville(own, order).map((x, i) => [x, state.coefficients[i]]);
      if (state.derivative === 0) p.line(points, { class: "target" });
      const scale = [1, 0.15, 0.02][state.derivative];
      for (let cell = 0; cell < intervals; cell++) {
        const [left, right] = [own[order + cell], own[order + cell + 1]];
        const xs = spread(left + 1e-9, right - 1e-9, 24);
        p.line(xs.map((x) => [x, scale * splineAt(spline.knots, spline.order, spline.coefficients, x)]), { stroke: COLOURS[0], "stroke-width": 2.5 });
      }
      const smooth = Math.max(order - 1 - state.derivative, -1);
      said.textContent =
        `${intervals + order} coefficients; each moves ${order + 1} intervals at most` +
        (held >= 0 ? ", those of the chosen one are lit" : "") +
        `. ${["The curve", "Its first derivative (× 0.15)", "Its second derivative (× 0.02)"][state.derivative]} ` +
        (smooth < 0 ? "jumps where intervals meet." : `is C${"⁰¹²³"[smooth]}: it does not jump.`);
    },
  });
  const begin = () => {
    const places = greville(knots(), state.order);
    plot.x = [Math.min(places[0], -1), Math.max(places[places.length - 1], 1)];
    state.coefficients = places.map((x) => Math.sin(4 * x));
    plot.clear();
    places.forEach((x, i) =>
      plot.handle(`coefficient ${i + 1}`, () => [x, state.coefficients[i]], (_, y) => (state.coefficients[i] = y), COLOURS[1]),
    );
    plot.redraw();
  };
  place.append(
    plot.svg,
    slider("order k", { min: 0, max: 3, value: 3 }, (n) => ((state.order = n), begin())),
    slider("intervals G", { min: 2, max: 20, value: 8 }, (n) => ((state.intervals = n), begin())),
    slider("derivative", { min: 0, max: 2, value: 0 }, (n) => ((state.derivative = n), plot.redraw())),
    said,
  );
  begin();
};
