// Elements, numbers as text, colours: what everything below is made of. Text only ever becomes text, never HTML.

/**
 * An element with its properties and children.
 * @param {string} tag
 * @param {Object<string, *>} [properties] attributes; functions under "onclick" and the like are listeners, true is "",
 *   false and null leave an attribute out
 * @param {...(Node|string|number|null)} children strings become text
 * @returns {HTMLElement}
 */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined)
      made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(
    ...children.filter((child) => child !== null).map((child) => (child instanceof Node ? child : String(child))),
  );
  return made;
}

/** A button with a label and what it does. */
function button(label, onclick, properties = {}) {
  return element("button", { type: "button", onclick, ...properties }, label);
}

/** A labelled checkbox. */
function toggle(label, checked, onchange) {
  return element("label", { class: "toggle" }, element("input", { type: "checkbox", checked, onchange }), label);
}

/**
 * A labelled choice.
 * @param {string} label
 * @param {Array<[string, string]>} options values and their names
 * @param {string} chosen
 * @param {(value: string) => void} change
 */
function choice(label, options, chosen, change) {
  const select = element("select", { onchange: () => change(select.value) });
  for (const [value, name] of options) select.append(element("option", { value, selected: value === chosen }, name));
  return element("label", {}, label, select);
}

/** A section of the dashboard with its heading. */
function section(title, id, ...children) {
  return element("section", { "aria-labelledby": id }, element("h3", { id }, title), ...children);
}

/** What a screen reader says when it changes, and everyone sees. */
function status(properties = {}) {
  return element("p", { role: "status", class: "soft", ...properties });
}

/** A number in few characters: 4.1e-6, 0.42, 12; – for none. */
function short(value, digits = 2) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(digits - 1).replace("e+", "e");
  const text = Number(value.toPrecision(digits));
  return size >= 10 ** digits ? String(Math.round(value)) : String(text);
}

/** A value of a config as text. */
function said(value) {
  if (value === undefined) return "not there";
  return typeof value === "string" ? value : JSON.stringify(value);
}

const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** A colour of the page's style, "--ink" say. */
function themed(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Red, green and blue of "#0072b2", each from 0 to 1. */
function channels(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
}

/** Relative luminance, 0 to 1, of red, green and blue (WCAG 2). */
function luminance(rgb) {
  const linear = rgb.map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

/** A colour mixed with white or black until it stands out from the page by a ratio of three. */
function readable(hex, alpha = 1) {
  const page = luminance(channels(themed("--paper")));
  let rgb = channels(hex);
  for (let step = 0; step < 20; step++) {
    const own = luminance(rgb);
    if ((Math.max(own, page) + 0.05) / (Math.min(own, page) + 0.05) >= 3) break;
    rgb = rgb.map((c) => (dark.matches ? c + (1 - c) * 0.12 : c * 0.9));
  }
  return `rgb(${rgb.map((c) => Math.round(255 * c)).join(" ")} / ${alpha})`;
}

/** Five colours of viridis, from light (low) to dark (high), as in the figures. */
const SHADES = ["#fde725", "#5ec962", "#21918c", "#3b528b", "#440154"].map(channels);

/** Background and text of a cell at a share of the scale, 0 to 1. */
function shaded(share) {
  const place = Math.min(Math.max(share, 0), 1) * (SHADES.length - 1);
  const low = Math.min(Math.floor(place), SHADES.length - 2);
  const rgb = SHADES[low].map((c, i) => c + (SHADES[low + 1][i] - c) * (place - low));
  const ink = luminance(rgb) > 0.2 ? "#111" : "#fff";
  return `background:rgb(${rgb.map((c) => Math.round(255 * c)).join(" ")});color:${ink}`;
}

/**
 * A scale of colours over some numbers.
 * @param {Array<number|null>} values
 * @param {boolean} log whether ratios count; then what is not positive is as light as can be
 * @returns {(value: number|null) => string} the style of a cell
 */
function colourScale(values, log) {
  const known = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  const map = log ? Math.log : (value) => value;
  const low = Math.min(...known.map(map));
  const high = Math.max(...known.map(map));
  return (value) => {
    if (!Number.isFinite(value)) return "";
    if (log && value <= 0) return shaded(0);
    return shaded(high > low ? (map(value) - low) / (high - low) : 0.2);
  };
}

/** Whether ratios say more than differences: all positive, over more than a factor of thirty. */
function spansDecades(values) {
  const known = values.filter((value) => Number.isFinite(value));
  return known.length > 0 && Math.min(...known) > 0 && Math.max(...known) > 30 * Math.min(...known);
}
