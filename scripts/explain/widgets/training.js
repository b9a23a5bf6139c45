// Five peaks, one after the other, learned by a KAN [1, 1] and an MLP with one hidden layer: plain Adam in float64.

const PEAKS = [-0.8, -0.4, 0, 0.4, 0.8];
const HALF_WIDTH = 0.2;
const BETAS = [0.9, 0.999];
const EPSILON = 1e-8;

/** The target: five Gaussian peaks exp(-300 (x - c)²). */
function peaksAt(x) {
  return PEAKS.reduce((sum, c) => sum + Math.exp(-300 * (x - c) ** 2), 0);
}

/** The 100 training points of a task, ends included. */
function trainingPoints(task) {
  return spread(PEAKS[task] - HALF_WIDTH, PEAKS[task] + HALF_WIDTH, 100);
}

/** The 200 test points of a task, each amid one of 200 equal cells: none is a training point. */
function testPoints(task) {
  return Array.from({ length: 200 }, (_, i) => PEAKS[task] - HALF_WIDTH + (2 * HALF_WIDTH * (i + 0.5)) / 200);
}

/** Adam (arXiv 1412.6980) on an array of parameters that it changes in place. */
class Adam {
  constructor(parameters, rate) {
    this.parameters = parameters;
    this.rate = rate;
    this.reset();
  }

  reset() {
    this.steps = 0;
    this.first = new Float64Array(this.parameters.length);
    this.second = new Float64Array(this.parameters.length);
  }

  step(gradient) {
    this.steps++;
    const [a, b] = BETAS;
    const size = this.rate / (1 - a ** this.steps);
    const root = Math.sqrt(1 - b ** this.steps);
    for (let i = 0; i < gradient.length; i++) {
      const g = gradient[i];
      this.first[i] = a * this.first[i] + (1 - a) * g;
      this.second[i] = b * this.second[i] + (1 - b) * g * g;
      this.parameters[i] -= (size * this.first[i]) / (Math.sqrt(this.second[i]) / root + EPSILON);
    }
  }
}

/** w_b silu(x) + Σ c_i B_i(x) on G intervals of [-1, 1], cubic, all zero at the start; w_b stays 0 without a base. */
class PlainKAN {
  constructor(intervals, base) {
    this.order = 3;
    this.base = base;
    this.knots = evenKnots(-1, 1, intervals, this.order);
    this.parameters = new Float64Array(intervals + this.order + (base ? 1 : 0));
  }

  /** What a prediction multiplies the parameters with at x: where it begins, and the numbers that are not zero. */
  features(x) {
    const { knots, order } = this;
    const step = knots[1] - knots[0];
    const last = knots.length - 2 * order - 2;
    const place = Math.min(Math.max(Math.floor((x - knots[order]) / step), 0), last);
    const local = knots.slice(place, place + 2 * order + 2);
    return { start: place, values: bases(local, order, x), silu: silu(x) };
  }

  prepare(points) {
    return points.map((x) => this.features(x));
  }

  predict({ start, values, silu: bent }) {
    let sum = this.base ? this.parameters[this.parameters.length - 1] * bent : 0;
    for (let i = 0; i < values.length; i++) sum += values[i] * (this.parameters[start + i] ?? 0);
    return sum;
  }

  /** Adds slope · ∂prediction/∂parameters to the gradient. */
  pull({ start, values, silu: bent }, slope, gradient) {
    for (let i = 0; i < values.length; i++) if (values[i] !== 0) gradient[start + i] += slope * values[i];
    if (this.base) gradient[gradient.length - 1] += slope * bent;
  }
}

const ACTIVATIONS = {
  tanh: [Math.tanh, (x, y) => 1 - y * y],
  silu: [silu, (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x)))],
  relu: [(x) => Math.max(x, 0), (x) => (x > 0 ? 1 : 0)],
};

/** 1 → width → 1; parameters are [weights in, biases, weights out, bias]. */
class PlainMLP {
  constructor(start, activation) {
    this.parameters = Float64Array.from(start);
    this.width = (start.length - 1) / 3;
    [this.bend, this.slope] = ACTIVATIONS[activation];
    this.sums = new Float64Array(this.width);
    this.bent = new Float64Array(this.width);
  }

  prepare(points) {
    return points;
  }

  predict(x) {
    const { parameters: p, width: n } = this;
    let sum = p[3 * n];
    for (let i = 0; i < n; i++) {
      this.sums[i] = p[i] * x + p[n + i];
      this.bent[i] = this.bend(this.sums[i]);
      sum += p[2 * n + i] * this.bent[i];
    }
    return sum;
  }

  /** As of the KAN; right after `predict` at the same x. */
  pull(x, slope, gradient) {
    const { parameters: p, width: n } = this;
    for (let i = 0; i < n; i++) {
      const back = slope * p[2 * n + i] * this.slope(this.sums[i], this.bent[i]);
      gradient[i] += back * x;
      gradient[n + i] += back;
      gradient[2 * n + i] += slope * this.bent[i];
    }
    gradient[3 * n] += slope;
  }
}

/** A model that goes through the five tasks, as many steps at a time as it is asked for. */
class Learner {
  /**
   * @param {PlainKAN|PlainMLP} model
   * @param {{rate: number, steps: number, reset: boolean}} settings learning rate, steps a task, and whether each task
   *   begins with a fresh optimizer
   */
  constructor(model, settings) {
    Object.assign(this, { model, settings, done: 0 });
    this.optimizer = new Adam(model.parameters, settings.rate);
    this.tests = PEAKS.map((_, task) => model.prepare(testPoints(task)));
    this.targets = PEAKS.map((_, task) => testPoints(task).map(peaksAt));
  }

  get task() {
    return Math.min(Math.floor(this.done / this.settings.steps), PEAKS.length - 1);
  }

  get finished() {
    return this.done >= PEAKS.length * this.settings.steps;
  }

  /** Full-batch steps on the mean squared error of the current task; ends where the task does. */
  advance(count) {
    const { model, settings } = this;
    const task = this.task;
    const points = trainingPoints(task);
    const prepared = model.prepare(points);
    const wanted = points.map(peaksAt);
    const until = Math.min(this.done + count, (task + 1) * settings.steps);
    for (; this.done < until; this.done++) {
      if (this.done === task * settings.steps && settings.reset) this.optimizer.reset();
      const gradient = new Float64Array(model.parameters.length);
      for (let i = 0; i < points.length; i++) {
        const error = model.predict(prepared[i]) - wanted[i];
        model.pull(prepared[i], (2 * error) / points.length, gradient);
      }
      this.optimizer.step(gradient);
    }
  }

  /** RMSE on the test points of each task. */
  errors() {
    return this.tests.map((points, task) => {
      const squares = points.map((x, i) => (this.model.predict(x) - this.targets[task][i]) ** 2);
      return Math.sqrt(squares.reduce((a, b) => a + b, 0) / squares.length);
    });
  }
}
