// SPDX-License-Identifier: Apache-2.0
// One curve over the steps of all runs that are shown: mean, range, evaluations, marks of events. All charts share
// the horizontal axis, its zoom and its cursor, which `view` holds.

const kAxes = {
  step: { title: "steps", format: short, exact: (x) => `step ${count(x)}` },
  tokens: { title: "tokens", format: short, exact: (x) => `${short(x)} tokens` },
  seconds: { title: "training time", format: duration, exact: (x) => `${duration(x)} of training` },
  time: { title: "date", format: (x) => moment(x), exact: (x) => moment(x, true) },
};
const kDashes = [[], [7, 3], [2, 3], [9, 3, 2, 3]];

const styleValue = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const runColour = (slot) => styleValue(`--run-${slot % 8}`);

/** The index of the last value that is not above x; -1 for none. The values ascend. */
function indexAt(values, x) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= x) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The index of the value nearest to x. */
function nearest(values, x) {
  const before = Math.max(0, indexAt(values, x));
  const after = Math.min(values.length - 1, before + 1);
  return Math.abs(values[after] - x) < Math.abs(values[before] - x) ? after : before;
}

/** Round numbers between two bounds, about `wanted` of them. */
function ticks(low, high, wanted) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(span / wanted));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => span / size <= wanted) ?? 10 * power;
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) {
    found.push(Math.abs(value) < step * 1e-9 ? 0 : value);
  }
  return found;
}

/** Times want round minutes, hours and days. */
function timeTicks(low, high, wanted, isDate) {
  const steps = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const span = high - low;
  if (!(span > 0) || span / wanted < 1) return ticks(low, high, wanted);
  const step = steps.find((size) => span / size <= wanted) ?? Math.ceil(span / wanted / 86400) * 86400;
  const shift = isDate ? new Date(low * 1000).getTimezoneOffset() * 60 : 0;
  const found = [];
  for (let value = Math.ceil((low - shift) / step) * step + shift; value <= high; value += step) found.push(value);
  return found;
}

/** A running mean that forgets with the given weight, without the pull of its start. */
function smoothed(values, weight) {
  if (!(weight > 0)) return values;
  let sum = 0;
  let share = 0;
  return values.map((value) => {
    if (!known(value)) return null;
    sum = sum * weight + value * (1 - weight);
    share = share * weight + (1 - weight);
    return sum / share;
  });
}

/** Bounds of what is drawn: without the few greatest outliers, with all that is recent. */
function robustBounds(values, all) {
  const sorted = values.filter(known).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  if (all || sorted.length < 20) return [sorted[0], sorted[sorted.length - 1]];
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  const low = at(0.01);
  const high = at(0.97);
  const room = (high - low) * 0.35 || Math.abs(high) * 0.01;
  return [Math.max(sorted[0], low - room), Math.min(sorted[sorted.length - 1], high + room)];
}

class Chart {
  /** `about` is {key, title, format, zero, wide, evaluations}; `view` is shared by all charts. */
  constructor(about, view) {
    this.about = about;
    this.view = view;
    this.shown = [];
    this.legend = element("span", { class: "legend" });
    this.canvas = element("canvas", {
      tabindex: "0", role: "slider", "aria-label": `${about.title}: arrow keys move along the curve, + and - zoom`,
      "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0",
    });
    this.tableBox = element("div", { class: "scroll" });
    const details = element("details", { ontoggle: () => this.fillTable() }, element("summary", {}, "Table"),
      this.tableBox);
    this.details = details;
    this.figure = element("figure", { class: about.wide ? "wide" : null },
      element("figcaption", {}, element("h3", {}, about.title), this.legend), this.canvas, details);
    this.listen();
  }

  /** Whether any run that is shown has a value. */
  isEmpty() {
    return this.view.runs().every((run) => !this.valuesOf(run)?.mean.some(known) && !this.evaluationsOf(run));
  }

  valuesOf(run) {
    return this.view.seriesOf(run)?.keys?.[this.about.key];
  }

  /** The evaluations that belong to this chart: {x: [...], y: [...]}. */
  evaluationsOf(run) {
    const name = this.about.evaluations;
    const evaluations = run.series?.evaluations;
    if (!name || !evaluations?.[name]?.some(known)) return null;
    return { x: evaluations[this.view.axis] ?? [], y: evaluations[name] };
  }

  /** What to draw of each run: ascending x and the values in drawing order. */
  curvesOf() {
    const { axis, smoothing } = this.view;
    return this.view.runs().map((run) => {
      const values = this.valuesOf(run);
      const x = this.view.seriesOf(run)?.[axis] ?? [];
      const own = values && x.length > 0 ? values : null;
      return {
        run, x, colour: runColour(run.slot), dash: kDashes[Math.floor(run.slot / 8) % kDashes.length],
        raw: own?.mean ?? [], mean: own ? smoothed(own.mean, this.about.smooth ? smoothing : 0) : [],
        min: own?.min ?? own?.mean ?? [], max: own?.max ?? own?.mean ?? [], evaluations: this.evaluationsOf(run),
      };
    });
  }

  bounds(curves, range) {
    const inside = [];
    const firm = [];
    for (const curve of curves) {
      curve.x.forEach((x, i) => {
        if (x < range[0] || x > range[1]) return;
        if (known(curve.mean[i])) inside.push(curve.mean[i]);
        if (this.view.outliers && this.view.band && known(curve.min[i])) inside.push(curve.min[i], curve.max[i]);
      });
      curve.evaluations?.x.forEach((x, i) => {
        if (x >= range[0] && x <= range[1] && known(curve.evaluations.y[i])) firm.push(curve.evaluations.y[i]);
      });
    }
    const found = robustBounds(inside.length > 0 ? inside : firm, this.view.outliers) ?? [0, 1];
    const kept = robustBounds(firm, this.view.outliers || inside.length === 0);
    if (kept) {
      const room = (found[1] - found[0]) * 0.6;
      found[0] = Math.min(found[0], Math.max(kept[0], found[0] - room));
      found[1] = Math.max(found[1], Math.min(kept[1], found[1] + room));
    }
    if (this.about.zero && !this.isLog()) found[0] = Math.min(0, found[0]);
    if (this.isLog()) {
      const least = Math.min(...inside.concat(firm).filter((value) => value > 0));
      return [Math.max(found[0], least), Math.max(found[1], least * 1.01)];
    }
    const room = (found[1] - found[0]) * 0.06 || Math.abs(found[1]) * 0.05 || 1;
    return [this.about.zero && found[0] === 0 ? 0 : found[0] - room, found[1] + room];
  }

  isLog() {
    return this.view.logY && this.about.log;
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    if (width === 0) return;
    if (this.canvas.width !== Math.round(width * ratio)) this.canvas.width = Math.round(width * ratio);
    if (this.canvas.height !== Math.round(height * ratio)) this.canvas.height = Math.round(height * ratio);
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    this.curves = this.curvesOf();
    this.range = this.view.range ?? this.view.extent();
    this.frame(pen, width, height);
    this.drawAxes(pen);
    pen.save();
    pen.beginPath();
    const room = 4;  // for the marks of evaluations at the ends
    pen.rect(this.left - room, this.top - room, this.right - this.left + 2 * room, this.bottom - this.top + room);
    pen.clip();
    this.drawMarks(pen);
    if (this.view.band) this.curves.forEach((curve) => this.drawBand(pen, curve));
    this.curves.forEach((curve) => this.drawCurve(pen, curve));
    this.drawSelection(pen);
    this.drawCursor(pen);
    pen.restore();
    this.tell();
    if (this.details.open) this.fillTable();
  }

  /** The place of the axes, and how values become places. */
  frame(pen, width, height) {
    const [low, high] = this.bounds(this.curves, this.range);
    this.yTicks = this.isLog() ? this.logTicks(low, high) : ticks(low, high, height > 250 ? 7 : 5);
    const labels = this.yTicks.map((value) => plain(this.about.format(value)));
    this.left = Math.ceil(Math.max(28, ...labels.map((label) => pen.measureText(label).width + 8)));
    this.right = width - 6;
    this.top = 8;
    this.bottom = height - 20;
    const across = this.view.logX ? (x) => Math.log(Math.max(x, this.range[0], 1e-9)) : (x) => x;
    const [first, last] = [across(this.range[0]), across(this.range[1])];
    this.atX = (x) => this.left + ((across(x) - first) / (last - first || 1)) * (this.right - this.left);
    this.xAt = (place) => {
      const value = first + ((place - this.left) / (this.right - this.left)) * (last - first);
      return this.view.logX ? Math.exp(value) : value;
    };
    const up = this.isLog() ? (y) => Math.log(Math.max(y, 1e-12)) : (y) => y;
    const [bottom, top] = [up(low), up(high)];
    this.atY = (y) => this.bottom - ((up(y) - bottom) / (top - bottom || 1)) * (this.bottom - this.top);
  }

  logTicks(low, high) {
    const found = ticks(low, high, 7);
    return found.length >= 3 && high / low < 20 ? found.filter((value) => value > 0)
      : [...Array(40).keys()].map((n) => 10 ** (n - 20)).filter((value) => value >= low && value <= high);
  }

  xTicks() {
    const wanted = Math.max(2, Math.floor((this.right - this.left) / (this.view.axis === "time" ? 110 : 80)));
    const [low, high] = this.range;
    if (this.view.logX && low > 0) {
      const found = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); ++power) {
        for (const factor of [1, 2, 5]) found.push(factor * 10 ** power);
      }
      return found.filter((x) => x >= low && x <= high && (high / low < 30 || Number.isInteger(Math.log10(x) + 1e-9) || /^1/.test(x.toPrecision(1))));
    }
    const timely = this.view.axis === "time" || this.view.axis === "seconds";
    return timely ? timeTicks(low, high, wanted, this.view.axis === "time") : ticks(low, high, wanted);
  }

  drawAxes(pen) {
    const axis = kAxes[this.view.axis];
    pen.lineWidth = 1;
    pen.strokeStyle = styleValue("--grid");
    pen.fillStyle = styleValue("--muted");
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const value of this.yTicks) {
      const y = Math.round(this.atY(value)) + 0.5;
      if (y < this.top || y > this.bottom + 1) continue;
      pen.beginPath();
      pen.moveTo(this.left, y);
      pen.lineTo(this.right, y);
      pen.stroke();
      pen.fillText(plain(this.about.format(value)), this.left - 6, y);
    }
    pen.textBaseline = "alphabetic";
    pen.textAlign = "center";
    let free = 0;
    for (const value of this.xTicks()) {
      const label = plain(axis.format(value));
      const half = pen.measureText(label).width / 2;
      const x = Math.min(Math.max(this.atX(value), half), this.right + 6 - half);
      if (x - half < free) continue;
      pen.fillText(label, x, this.bottom + 15);
      free = x + half + 10;
    }
  }

  /** Sessions as dotted lines, checkpoints and bad steps as notches on the axis. */
  drawMarks(pen) {
    if (!this.view.marks) return;
    for (const { run, colour } of this.curves) {
      for (const mark of run.marks ?? []) {
        const x = this.view.placeOfStep(run, mark.step);
        if (!known(x) || x < this.range[0] || x > this.range[1]) continue;
        const place = Math.round(this.atX(x)) + 0.5;
        const isLine = mark.kind === "session" || mark.kind === "returned";
        pen.strokeStyle = mark.kind === "checkpoint" || isLine ? colour : styleValue("--bad");
        pen.globalAlpha = isLine ? 0.55 : 0.9;
        pen.lineWidth = mark.kind === "checkpoint" ? 1 : 1.5;
        pen.setLineDash(isLine ? [2, 4] : []);
        pen.beginPath();
        pen.moveTo(place, this.bottom);
        pen.lineTo(place, isLine ? this.top : this.bottom - (mark.kind === "checkpoint" ? 5 : 9));
        pen.stroke();
      }
    }
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  drawBand(pen, curve) {
    const { x, min, max } = curve;
    if (min === max || x.length < 2) return;
    pen.fillStyle = curve.colour;
    pen.globalAlpha = this.curves.length > 3 ? 0.12 : 0.2;
    pen.beginPath();
    let open = false;
    const seen = x.map((_, i) => i).filter((i) => known(min[i]) && known(max[i]));
    for (const i of seen) {
      if (open) pen.lineTo(this.atX(x[i]), this.atY(max[i]));
      else pen.moveTo(this.atX(x[i]), this.atY(max[i]));
      open = true;
    }
    for (const i of seen.reverse()) pen.lineTo(this.atX(x[i]), this.atY(min[i]));
    pen.closePath();
    pen.fill();
    pen.globalAlpha = 1;
  }

  drawCurve(pen, curve) {
    pen.strokeStyle = curve.colour;
    pen.lineJoin = "round";
    pen.setLineDash(curve.dash);
    if (curve.mean !== curve.raw) {
      pen.globalAlpha = 0.3;
      this.line(pen, curve.x, curve.raw, 1);
      pen.globalAlpha = 1;
    }
    this.line(pen, curve.x, curve.mean, this.about.wide ? 1.75 : 1.5);
    pen.setLineDash([]);
    if (curve.evaluations) this.drawEvaluations(pen, curve);
  }

  line(pen, x, y, width) {
    pen.lineWidth = width;
    pen.beginPath();
    let open = false;
    x.forEach((value, i) => {
      if (!known(y[i])) open = false;
      else if (open) pen.lineTo(this.atX(value), this.atY(y[i]));
      else {
        pen.moveTo(this.atX(value), this.atY(y[i]));
        open = true;
      }
    });
    pen.stroke();
  }

  drawEvaluations(pen, curve) {
    const { x, y } = curve.evaluations;
    if (this.about.key) {
      pen.setLineDash([5, 3]);
      this.line(pen, x, y, 1.25);
      pen.setLineDash([]);
    } else {
      this.line(pen, x, y, 1.5);
    }
    const radius = x.length > 60 ? 2 : 3.2;
    x.forEach((value, i) => {
      if (!known(y[i])) return;
      pen.beginPath();
      pen.arc(this.atX(value), this.atY(y[i]), radius, 0, 7);
      pen.fillStyle = this.about.key ? styleValue("--panel") : curve.colour;
      pen.fill();
      pen.lineWidth = 1.5;
      pen.stroke();
    });
  }

  drawSelection(pen) {
    if (!this.drag || this.drag.to === undefined) return;
    pen.fillStyle = styleValue("--accent");
    pen.globalAlpha = 0.15;
    pen.fillRect(this.drag.from, this.top, this.drag.to - this.drag.from, this.bottom - this.top);
    pen.globalAlpha = 1;
  }

  drawCursor(pen) {
    const at = this.view.cursor;
    if (at === null || at < this.range[0] || at > this.range[1]) return;
    const place = Math.round(this.atX(at)) + 0.5;
    pen.strokeStyle = styleValue("--muted");
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(place, this.top);
    pen.lineTo(place, this.bottom);
    pen.stroke();
    for (const curve of this.curves) {
      const i = curve.x.length > 0 ? nearest(curve.x, at) : -1;
      if (i < 0 || !known(curve.mean[i]) || at > curve.x[curve.x.length - 1]) continue;
      pen.beginPath();
      pen.arc(this.atX(curve.x[i]), this.atY(curve.mean[i]), 3.5, 0, 7);
      pen.fillStyle = curve.colour;
      pen.fill();
    }
  }

  /** The values of a run at the cursor, or its newest: "4.398 (4.2 to 4.6), validation 5.068". */
  words(curve) {
    const at = this.view.cursor;
    const parts = [];
    if (curve.x.length > 0 && curve.raw.some(known)) {
      let i = at === null ? curve.mean.findLastIndex(known) : nearest(curve.x, at);
      if (at !== null && at > curve.x[curve.x.length - 1] + (this.range[1] - this.range[0]) * 0.01) i = -1;
      if (i >= 0) {
        const spread = curve.min !== curve.max && known(curve.min[i]) && curve.min[i] !== curve.max[i];
        const range = at !== null && this.view.band && spread
          ? ` (${this.about.format(curve.min[i])} to ${this.about.format(curve.max[i])})` : "";
        parts.push(this.about.format(curve.mean[i]) + range);
      }
    }
    if (curve.evaluations) {
      const { x, y } = curve.evaluations;
      const i = at === null ? y.findLastIndex(known) : indexAt(x, at);
      if (i >= 0 && known(y[i])) parts.push(`${this.about.key ? "validation " : ""}${this.about.format(y[i])}`);
    }
    return parts.join(", ");
  }

  /** The legend beside the title, and the same for a screen reader. */
  tell() {
    const many = this.curves.length > 1;
    const told = this.curves.map((curve) => ({ curve, words: this.words(curve) })).filter((one) => one.words);
    fill(this.legend, told.slice(0, 8).map(({ curve, words }) => element("span", {},
      element("i", { class: "swatch small", style: { background: curve.colour } }),
      many ? `${curve.run.name} ${words}` : words)));
    const at = this.view.cursor;
    const [low, high] = this.range;
    const place = at === null ? high : at;
    this.canvas.setAttribute("aria-valuenow", Math.round(((place - low) / (high - low || 1)) * 100));
    const values = told.map(({ curve, words }) => (many ? `${curve.run.name} ${words}` : words)).join(", ");
    this.canvas.setAttribute("aria-valuetext", `${kAxes[this.view.axis].exact(place)}: ${values || "no value"}`);
  }

  /** The curve as a table of some 25 rows within the zoom. */
  fillTable() {
    if (!this.details.open) return;
    const axis = kAxes[this.view.axis];
    const [low, high] = this.range;
    const places = [...new Set(this.curves.flatMap((curve) => (curve.x.length > 0 ? curve.x : curve.evaluations?.x ?? [])))]
      .filter((x) => x >= low && x <= high).sort((a, b) => a - b);
    const every = Math.max(1, Math.ceil(places.length / 25));
    const rows = places.filter((_, i) => i % every === 0 || i === places.length - 1);
    const columns = [{ title: axis.title, cell: (x) => (this.view.axis === "step" ? count(x) : axis.format(x)) }];
    for (const curve of this.curves) {
      const value = (x, i) => (i >= 0 && known(curve.mean[i]) ? this.about.format(curve.mean[i]) : "");
      if (curve.raw.some(known)) {
        columns.push({ title: curve.run.name, number: true, cell: (x) => value(x, nearest(curve.x, x)) });
        if (curve.min !== curve.max) {
          columns.push({ title: "least", number: true, cell: (x) => this.about.format(curve.min[nearest(curve.x, x)]) });
          columns.push({ title: "greatest", number: true, cell: (x) => this.about.format(curve.max[nearest(curve.x, x)]) });
        }
      }
      if (curve.evaluations) {
        const { x: at, y } = curve.evaluations;
        columns.push({
          title: `${curve.run.name}, validation`, number: true,
          cell: (x) => (indexAt(at, x) >= 0 ? this.about.format(y[indexAt(at, x)]) : ""),
        });
      }
    }
    fill(this.tableBox, table(`${this.about.title} by ${axis.title}`, columns, rows));
  }

  listen() {
    const place = (event) => event.clientX - this.canvas.getBoundingClientRect().left;
    const inside = (at) => Math.min(Math.max(at, this.left), this.right);
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.drag = event.pointerType === "touch" ? null : { from: inside(place(event)) };
      if (this.drag) this.canvas.setPointerCapture(event.pointerId);
      this.view.moveCursor(this.xAt(inside(place(event))));
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (this.xAt === undefined) return;
      const at = inside(place(event));
      if (this.drag && Math.abs(at - this.drag.from) > 4) this.drag.to = at;
      this.view.moveCursor(this.xAt(at));
    });
    this.canvas.addEventListener("pointerup", () => {
      const { drag } = this;
      this.drag = null;
      if (!drag || drag.to === undefined) return;
      const ends = [this.xAt(drag.from), this.xAt(drag.to)].sort((a, b) => a - b);
      this.view.zoomTo(ends);
    });
    this.canvas.addEventListener("pointercancel", () => { this.drag = null; });
    // A finger that is lifted leaves, too, but what it pointed at is to be read.
    this.canvas.addEventListener("pointerleave", (event) => {
      if (!this.drag && event.pointerType !== "touch") this.view.moveCursor(null);
    });
    this.canvas.addEventListener("dblclick", () => this.view.zoomTo(null));
    this.canvas.addEventListener("keydown", (event) => this.onKey(event));
    this.canvas.addEventListener("blur", () => this.view.moveCursor(null));
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageDown: -20, PageUp: 20 };
    if (event.key in moves) this.step(moves[event.key] * (event.shiftKey ? 10 : 1));
    else if (event.key === "Home") this.view.moveCursor(this.range[0]);
    else if (event.key === "End") this.view.moveCursor(this.range[1]);
    else if (event.key === "+" || event.key === "=") this.view.zoomBy(0.5);
    else if (event.key === "-") this.view.zoomBy(2);
    else if (event.key === "0" || event.key === "Escape") this.view.zoomTo(null);
    else return;
    event.preventDefault();
  }

  /** Moves the cursor along the points of the first curve. */
  step(by) {
    const curve = this.curves.find((one) => one.x.length > 0 && one.raw.length > 0);
    const x = curve?.x ?? this.curves.find((one) => one.evaluations)?.evaluations.x;
    if (!x) return;
    const from = this.view.cursor === null ? x.length : nearest(x, this.view.cursor);
    const inside = (i) => x[i] >= this.range[0] && x[i] <= this.range[1];
    let to = Math.min(Math.max(from + by, 0), x.length - 1);
    while (to > 0 && x[to] > this.range[1]) --to;
    while (to < x.length - 1 && x[to] < this.range[0]) ++to;
    if (inside(to)) this.view.moveCursor(x[to]);
  }
}
