// A KAN whose coefficients can be dragged, parameters counted, and five peaks learned in the page.

WIDGETS.layer = (place) => {
  const order = 3;
  const grid = 4;
  const knots = evenKnots(-1, 1, grid, order);
  const state = { base: false, scale: 1 };
  const edges = [
    { name: "φ₁(x)", start: (u) => Math.sin(Math.PI * u) },
    { name: "φ₂(y)", start: (u) => u * u - 0.3 },
    { name: "ψ(φ₁ + φ₂)", start: (u) => u },
  ].map(({ name, start }) => ({ name, coefficients: greville(knots, order).map(start) }));
  const edge = (i, u) => state.scale * splineAt(knots, order, edges[i].coefficients, u) + (state.base ? silu(u) : 0);
  const SIDE = 41;
  const canvas = element("canvas", { width: SIDE, height: SIDE, role: "img", class: "image" });
  const said = words();
  const image = () => {
    const axis = spread(-1, 1, SIDE);
    const [first, second] = [0, 1].map((i) => axis.map((u) => edge(i, u)));
    const values = second.flatMap((b) => first.map((a) => edge(2, a + b)));
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const pixels = new ImageData(SIDE, SIDE);
    values.forEach((v, i) => {
      const at = (SIDE - 1 - Math.floor(i / SIDE)) * SIDE + (i % SIDE);
      pixels.data.set(viridis(high > low ? (v - low) / (high - low) : 0.5), 4 * at);
    });
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    canvas.setAttribute("aria-label", `output over x and y, from ${short(low)} to ${short(high)}`);
    said.textContent = `Output over the square, x to the right and y up: from ${short(low)} (dark) to ${short(high)} (light). Sums outside [−1, 1] leave the grid of ψ, where its spline fades to zero.`;
  };
  const plots = edges.map(({ name, coefficients }, i) => {
    const plot = new Plot(name, {
      x: [-1.5, 1.5],
      y: [-1.5, 1.5],
      height: 170,
      draw: (p) => {
        p.text(-1.5, 1.5, name, { dx: 8, dy: 6, class: "name" });
        p.line(spread(-1.5, 1.5, 181).map((u) => [u, edge(i, u)]), { stroke: COLOURS[i] });
        image();
      },
    });
    const places = greville(knots, order);
    places.forEach((u, n) =>
      plot.handle(`coefficient ${n + 1} of ${name}`, () => [u, coefficients[n]], (_, y) => (coefficients[n] = y), COLOURS[i]),
    );
    return plot;
  });
  const all = () => plots.forEach((plot) => plot.redraw());
  place.append(
    element("div", { class: "side" }, ...plots.map((plot) => plot.svg), canvas),
    tick("base branch, silu", false, (on) => ((state.base = on), all())),
    slider("scale of the splines", { min: 0, max: 2, step: 0.1, value: 1 }, (n) => ((state.scale = n), all())),
    said,
  );
  all();
};

/** Red, green, blue and opacity on the way from dark to light, of five colours of viridis. */
function viridis(share) {
  const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const place = Math.min(Math.max(share, 0), 1) * 4;
  const low = Math.min(Math.floor(place), 3);
  return [...stops[low].map((c, i) => Math.round(c + (stops[low + 1][i] - c) * (place - low))), 255];
}

WIDGETS.parameters = (place) => {
  const state = { N: 5, L: 3, G: 5, k: 3 };
  const said = words();
  const show = () => {
    const { N, L, G, k } = state;
    const [kan, mlp] = [N * N * L * (G + k), N * N * L];
    said.textContent =
      `KAN: N²L(G + k) = ${kan}, counted with w_b and w_s on every edge ${N * N * L * (G + k + 2)}. ` +
      `MLP: N²L = ${mlp}, counted with its biases ${mlp + N * L}. ` +
      `An MLP with as many numbers as this KAN is ${short(Math.sqrt(G + k), 2)} times as wide.`;
  };
  for (const [name, max] of [["N", 64], ["L", 6], ["G", 200], ["k", 5]])
    place.append(slider({ N: "width N", L: "layers L", G: "intervals G", k: "order k" }[name], { min: 1, max, value: state[name] }, (n) => ((state[name] = n), show())));
  place.append(said);
  show();
};

WIDGETS.forgetting = (place, data) => {
  const state = { rate: 0.01, intervals: 200, base: false, reset: true, activation: "tanh", steps: data.steps };
  const said = words();
  let learners = [];
  const xs = spread(-1, 1, 401);
  const names = ["KAN [1, 1]", "MLP [1, 67, 1]"];
  const plots = names.map(
    (name, i) =>
      new Plot(name, {
        x: [-1, 1],
        y: [-0.5, 1.5],
        height: 200,
        draw: (p) => {
          const learner = learners[i];
          const c = PEAKS[learner.task];
          if (!learner.finished) p.field(c - HALF_WIDTH, c + HALF_WIDTH);
          p.line(xs.map((x) => [x, peaksAt(x)]), { class: "target" });
          p.line(learner.model.prepare(xs).map((f, j) => [xs[j], learner.model.predict(f)]), { stroke: COLOURS[i], "stroke-width": 2.5 });
          p.text(-1, 1.5, name, { dx: 8, dy: 6, class: "name" });
        },
      }),
  );
  const show = () => {
    plots.forEach((plot) => plot.redraw());
    const [kan, mlp] = learners;
    const of = (learner) => learner.errors().map((e) => short(e, 2)).join(", ");
    said.textContent =
      `${kan.finished ? "All five phases are over" : `Phase ${kan.task + 1} of 5, step ${kan.done - kan.task * state.steps} of ${state.steps}`}. ` +
      `RMSE on each peak, left to right. KAN: ${of(kan)}. MLP: ${of(mlp)}.`;
    said.dataset.errors = JSON.stringify(learners.map((learner) => learner.errors()));
  };
  const begin = () => {
    run.stop();
    const settings = { rate: state.rate, steps: state.steps, reset: state.reset };
    learners = [
      new Learner(new PlainKAN(state.intervals, state.base), settings),
      new Learner(new PlainMLP(data.start, state.activation), settings),
    ];
    show();
  };
  const advance = (count) => learners.forEach((learner) => learner.advance(count));
  const run = player("Train", {
    frame: () => (advance(5), show(), !learners[0].finished),
    finish: () => (phase(), undefined),
  });
  const phase = () => (advance(state.steps), show());
  const rates = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05];
  place.append(
    element("div", { class: "side" }, ...plots.map((plot) => plot.svg)),
    element("p", { class: "buttons" },
      run,
      element("button", { type: "button", onclick: phase }, "One phase"),
      element("button", { type: "button", onclick: () => begin() }, "Start again"),
    ),
    slider("learning rate", { min: 0, max: 5, value: 3, show: (n) => String(rates[n]) }, (n) => ((state.rate = rates[n]), begin())),
    slider("intervals G of the KAN", { min: 5, max: 200, step: 5, value: 200 }, (n) => ((state.intervals = n), begin())),
    slider("steps of a phase", { min: 100, max: 1000, step: 100, value: data.steps }, (n) => ((state.steps = n), begin())),
    tick("KAN with a silu", false, (on) => ((state.base = on), begin())),
    tick("fresh optimizer at each phase", true, (on) => ((state.reset = on), begin())),
    choice("MLP's activation", Object.keys(ACTIVATIONS), "tanh", (name) => ((state.activation = name), begin())),
    said,
  );
  begin();
};
