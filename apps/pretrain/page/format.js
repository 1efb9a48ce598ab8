// SPDX-License-Identifier: Apache-2.0
// Numbers, times and elements as text. All text of a run goes through textContent, never through markup.
"use strict";

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** 12,345 */
function count(value) {
  return known(value) ? Math.round(value).toLocaleString("en-US") : "–";
}

/** 12.3M */
function short(value) {
  if (!known(value)) return "–";
  const size = Math.abs(value);
  for (const [unit, factor] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (size >= factor) return `${significant(value / factor, 3)}${unit}`;
  }
  return significant(value, 3);
}

/** Three digits that count, without an exponent where that is readable. */
function significant(value, digits = 4) {
  if (!known(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e7) return value.toExponential(Math.max(0, digits - 2)).replace("e+", "e");
  const whole = Math.floor(Math.log10(size)) + 1;
  return value.toFixed(Math.min(6, Math.max(0, digits - whole)));
}

/** Without zeros that say nothing, for the marks of an axis: 1.20k is 1.2k. */
const plain = (text) => text.replace(/(\.\d*?)0+(?!\d)/, "$1").replace(/\.(?!\d)/, "");

const loss = (value) => (known(value) ? value.toFixed(3) : "–");
const percent = (value) => (known(value) ? `${(value * 100).toFixed(value < 0.1 ? 1 : 0)} %` : "–");
const rate = (value) => (known(value) ? (value < 1000 ? significant(value, 3) : short(value)) : "–");

/** 1.07 MB */
function bytes(value) {
  if (!known(value)) return "–";
  for (const [unit, factor] of [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (value >= factor) return `${significant(value / factor, 3)} ${unit}`;
  }
  return `${Math.round(value)} B`;
}

/** 2 d 4 h, 3 h 10 min, 12 s, 7.4 µs */
function duration(seconds) {
  if (!known(seconds) || seconds < 0) return "–";
  if (seconds < 1e-7) return "0 s";
  if (seconds < 1e-3) return `${significant(seconds * 1e6, 3)} µs`;
  if (seconds < 1) return `${significant(seconds * 1000, 3)} ms`;
  if (seconds < 60) return `${seconds < 10 ? significant(seconds, 2) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d${hours % 24 ? ` ${hours % 24} h` : ""}`;
}

/** 29 Nov 06:10, with the seconds for events. */
function moment(seconds, exact = false) {
  if (!known(seconds) || seconds <= 0) return "–";
  const time = new Date(seconds * 1000);
  const day = time.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  const options = { hour: "2-digit", minute: "2-digit", ...(exact ? { second: "2-digit" } : {}) };
  return `${day} ${time.toLocaleTimeString("en-GB", options)}`;
}

/** An element with properties and children; strings become text. */
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "class") made.className = value;
    else if (key === "style") Object.assign(made.style, value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Characters that turn the writing direction, hide, or control a terminal. */
const kUnsafe = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;

/** Text of a model: such characters show as their code. */
function modelText(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(kUnsafe)) {
    parts.push(text.slice(from, match.index));
    const code = match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    parts.push(element("span", { class: "escape" }, `U+${code}`));
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return parts;
}

/** A table; a column is {title, number, cell(row)} and its first one heads the row. */
function table(caption, columns, rows, classOf = () => "") {
  const head = element("tr", {},
    columns.map((column) => element("th", { scope: "col", class: column.number ? "number" : null }, column.title)));
  const body = rows.map((row) => element("tr", { class: classOf(row) || null }, columns.map((column, index) => {
    const properties = { class: column.class ? column.class(row) : column.number ? "number" : null };
    if (index === 0) return element("th", { ...properties, scope: "row" }, column.cell(row));
    return element("td", properties, column.cell(row));
  })));
  return element("table", {}, caption ? element("caption", {}, caption) : null, element("thead", {}, head),
    element("tbody", {}, body));
}

function fill(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}
