// A drawing with axes whose points can be dragged by mouse, finger or keyboard; sliders, buttons and words beside it.

const still = window.matchMedia("(prefers-reduced-motion: reduce)");
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/** An element of a drawing. */
function drawn(tag, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** An element of the page; functions under "oninput" and the like are listeners. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children);
  return made;
}

/** A number in few characters. */
function short(value, digits = 3) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  const text = size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(digits - 1) : Number(value.toPrecision(digits));
  return String(text).replace("e+", "e").replace("-", "−");
}

/** A labelled slider that shows its value; `change` is called with the number. */
function slider(label, { min, max, step = 1, value, show = short }, change) {
  const said = element("b", {}, show(value)); // an output would take the label
  const input = element("input", {
    type: "range",
    min,
    max,
    step,
    value,
    oninput: () => {
      said.textContent = show(Number(input.value));
      change(Number(input.value));
    },
  });
  const made = element("label", { class: "slider" }, element("span", {}, label, " ", said), input);
  made.set = (next) => {
    input.value = next;
    said.textContent = show(Number(input.value));
  };
  return made;
}

/** A labelled checkbox. */
function tick(label, checked, change) {
  const input = element("input", { type: "checkbox", checked, onchange: () => change(input.checked) });
  return element("label", { class: "tick" }, input, label);
}

/** A labelled choice of names. */
function choice(label, options, chosen, change) {
  const select = element("select", { onchange: () => change(select.value) });
  for (const name of options) select.append(element("option", { value: name, selected: name === chosen }, name));
  return element("label", { class: "tick" }, label, " ", select);
}

/** A button that runs something frame by frame, and stops it. Where motion is to be reduced, `finish` comes at once. */
function player(label, { frame, finish }) {
  let running = null;
  const stop = () => {
    cancelAnimationFrame(running);
    running = null;
    made.textContent = label;
  };
  const next = () => {
    if (frame() === false) stop();
    else running = requestAnimationFrame(next);
  };
  const made = element("button", { type: "button", onclick: () => {
    if (running !== null) return stop();
    if (still.matches) return finish();
    made.textContent = "Stop";
    running = requestAnimationFrame(next);
  } }, label);
  made.stop = stop;
  return made;
}

/** What is said of the state, and read out when it changes. */
const words = () => element("p", { class: "said", role: "status" });

/** A drawing with two axes in units of the data. */
class Plot {
  /**
   * @param {string} label what a screen reader calls it
   * @param {{x: [number, number], y: [number, number], height?: number, draw: (plot: Plot) => void}} options ends of the
   *   axes, height in pixels, and what draws everything anew
   */
  constructor(label, { x, y, height = 240, draw }) {
    Object.assign(this, { x, y, height, draw, width: 600, handles: [] });
    this.marks = drawn("g");
    this.grips = drawn("g");
    this.svg = drawn("svg", { role: "group", "aria-label": label, class: "plot" });
    this.svg.append(this.marks, this.grips);
    new ResizeObserver(([entry]) => {
      const width = Math.round(entry.contentRect.width);
      if (width > 0 && width !== this.width) {
        this.width = width;
        this.redraw();
      }
    }).observe(this.svg);
  }

  across(x) {
    return 34 + ((x - this.x[0]) / (this.x[1] - this.x[0])) * (this.width - 44);
  }

  up(y) {
    return this.height - 22 - ((y - this.y[0]) / (this.y[1] - this.y[0])) * (this.height - 32);
  }

  redraw() {
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.svg.setAttribute("height", this.height);
    this.marks.replaceChildren();
    this.axes();
    this.draw(this);
    this.handles.forEach((handle) => handle.place());
  }

  axes() {
    const { x, y } = this;
    for (const value of [x[0], (x[0] + x[1]) / 2, x[1]]) {
      const last = value === x[1];
      this.text(value, y[0], short(value), { dy: 16, dx: last ? 8 : 0, anchor: last ? "end" : "middle" });
    }
    for (const value of [y[0], (y[0] + y[1]) / 2, y[1]]) this.text(x[0], value, short(value, 2), { dx: -6, dy: 4, anchor: "end" });
    this.line([[x[0], y[1]], [x[0], y[0]], [x[1], y[0]]], { class: "axis" });
  }

  /** A line through points; what is far outside is cut off at the edges. */
  line(points, attributes = {}) {
    const [low, high] = this.y;
    const reach = (high - low) * 2;
    const path = points.map(([a, b]) => `${this.across(a).toFixed(1)},${this.up(Math.min(Math.max(b, low - reach), high + reach)).toFixed(1)}`);
    const made = drawn("polyline", { points: path.join(" "), fill: "none", "stroke-width": 2, ...attributes });
    this.marks.append(made);
    return made;
  }

  /** A field over an interval of the first axis. */
  field(from, to, attributes = {}) {
    const left = this.across(from);
    this.marks.append(
      drawn("rect", { x: left, width: Math.max(this.across(to) - left, 0), y: 10, height: this.height - 32, class: "field", ...attributes }),
    );
  }

  dot(x, y, attributes = {}) {
    this.marks.append(drawn("circle", { cx: this.across(x), cy: this.up(y), r: 4, ...attributes }));
  }

  text(x, y, said, { dx = 0, dy = 0, anchor = "start", ...more } = {}) {
    const made = drawn("text", { x: this.across(x) + dx, y: this.up(y) + dy, "text-anchor": anchor, ...more });
    made.textContent = said;
    this.marks.append(made);
  }

  /**
   * A point that can be dragged, or moved with the arrow keys.
   * @param {string} label
   * @param {() => [number, number]} get where it is
   * @param {(x: number, y: number) => void} set what a move does; it redraws by itself
   * @param {string} colour
   */
  handle(label, get, set, colour = COLOURS[0]) {
    const grip = drawn("circle", { r: 9, fill: colour, class: "grip", tabindex: 0, role: "slider", "aria-label": label });
    const move = (x, y) => {
      set(Math.min(Math.max(x, this.x[0]), this.x[1]), Math.min(Math.max(y, this.y[0]), this.y[1]));
      this.redraw();
    };
    const place = () => {
      const [x, y] = get();
      grip.setAttribute("cx", this.across(x));
      grip.setAttribute("cy", this.up(y));
      grip.setAttribute("aria-valuenow", y.toFixed(3));
      grip.setAttribute("aria-valuetext", `${short(x)}, ${short(y)}`);
    };
    grip.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      grip.setPointerCapture(event.pointerId);
      grip.focus();
    });
    grip.addEventListener("pointermove", (event) => {
      if (!grip.hasPointerCapture(event.pointerId)) return;
      const box = this.svg.getBoundingClientRect();
      const a = ((event.clientX - box.left) / box.width) * this.width;
      const b = ((event.clientY - box.top) / box.height) * this.height;
      const { x, y } = this;
      move(
        x[0] + ((a - 34) / (this.width - 44)) * (x[1] - x[0]),
        y[0] + ((this.height - 22 - b) / (this.height - 32)) * (y[1] - y[0]),
      );
    });
    grip.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 0.1 : 0.02;
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const [x, y] = get();
      move(x + way[0] * step * (this.x[1] - this.x[0]), y + way[1] * step * (this.y[1] - this.y[0]));
    });
    for (const kind of ["focus", "blur"]) grip.addEventListener(kind, () => this.redraw());
    this.handles.push({ grip, place });
    this.grips.append(grip);
    return grip;
  }

  /** Removes all points that can be dragged. */
  clear() {
    this.handles = [];
    this.grips.replaceChildren();
  }

  /** Which point is in hand, by its place among them; -1 for none. */
  get held() {
    return this.handles.findIndex(({ grip }) => grip === document.activeElement);
  }
}
