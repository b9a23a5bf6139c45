// Files made in the page: CSV of runs, configs, commands.

/** Hands the reader a file. */
function download(name, text, type = "text/plain") {
  const address = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** A cell of a CSV (RFC 4180). */
function csvCell(value) {
  if (value === null || value === undefined) return "";
  const text = said(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Runs as CSV: every digit that the page has, all given columns. */
function csvOf(rows, wanted) {
  const lines = [wanted.map((column) => column.key), ...rows.map((row) => wanted.map((column) => column.at(row)))];
  return lines.map((line) => line.map(csvCell).join(",") + "\r\n").join("");
}

/** The config of a run as nested objects. */
function configOf(row) {
  const root = {};
  for (const column of settings) {
    const value = column.at(row);
    if (value === undefined) continue;
    let node = root;
    for (const part of column.path.slice(0, -1)) node = node[part] ??= {};
    node[column.path.at(-1)] = value;
  }
  return root;
}

/** Nested objects as YAML: blocks of keys, everything else as JSON, which YAML holds. */
function yamlOf(node, indent = "") {
  let text = "";
  for (const [key, value] of Object.entries(node)) {
    const nested =
      value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length > 0;
    const name =
      /^[A-Za-z_][\w-]*$/.test(key) && !/^(y|n|yes|no|on|off|true|false|null)$/i.test(key) ? key : JSON.stringify(key);
    text += `${indent}${name}:` + (nested ? `\n${yamlOf(value, `${indent}  `)}` : ` ${yamlScalar(value)}\n`);
  }
  return text;
}

/** JSON, but that 1e-8 gets the point without which YAML 1.1 takes it for a word. */
function yamlScalar(value) {
  if (typeof value === "number")
    return String(value)
      .replace(/^(-?\d+)e/, "$1.0e")
      .replace(/e(\d)/, "e+$1");
  if (Array.isArray(value)) return `[${value.map(yamlScalar).join(", ")}]`;
  return JSON.stringify(value);
}

/** Copies text, and says on the button whether that went well. */
async function copy(text, from, field) {
  const label = from.textContent;
  try {
    await navigator.clipboard.writeText(text);
    from.textContent = "copied";
  } catch {
    const range = document.createRange();
    range.selectNodeContents(field);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    from.textContent = document.execCommand("copy") ? "copied" : "selected: copy with Ctrl-C";
  }
  setTimeout(() => (from.textContent = label), 2000);
}
