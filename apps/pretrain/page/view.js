// SPDX-License-Identifier: Apache-2.0
// What all charts share: the runs that are shown, the horizontal axis with its zoom, the cursor, how curves are drawn.

const kCharts = [
  { key: "loss", title: "Loss", format: loss, evaluations: "validation_loss", log: true, wide: true, smooth: true },
  { key: null, title: "Validation, bits per byte", format: loss, evaluations: "bits_per_byte", log: true },
  { key: "tokens_per_second", title: "Tokens per second", format: rate, zero: true, smooth: true },
  { key: "flops_utilization", title: "Utilization of the processor's peak", format: percent, zero: true, smooth: true },
  { key: "learning_rate", title: "Learning rate", format: (value) => plain(significant(value, 3)), zero: true },
  { key: "grad_norm", title: "Gradient norm", format: (value) => significant(value, 3), zero: true, smooth: true },
  { key: "data_wait_seconds", title: "Waiting for text, per step", format: duration, zero: true },
  { key: "sequence_buffer", title: "Sequences in the shuffle buffer", format: short, zero: true },
  { key: "resident_bytes", title: "Memory", format: bytes, zero: true },
  { key: "watts", title: "Watts of the processor", format: (value) => significant(value, 3), zero: true },
];
/** More runs than this are listed, but not drawn until they are chosen. */
const kDrawnAtFirst = 8;

class View {
  constructor() {
    this.all = [];
    this.chosen = new Map();
    this.axis = "step";
    this.logX = false;
    this.logY = false;
    this.smoothing = 0;
    this.band = true;
    this.outliers = false;
    this.marks = true;
    this.range = null;
    this.cursor = null;
    this.onZoom = () => {};
    this.charts = kCharts.map((about) => new Chart(about, this));
  }

  /** The runs that are shown. */
  runs() {
    return this.all.filter((run) => this.chosen.get(run.id));
  }

  /** Takes the runs in their order; a run keeps its colour and whether it is shown. */
  take(runs) {
    runs.forEach((run, index) => {
      if (!this.chosen.has(run.id)) this.chosen.set(run.id, index < kDrawnAtFirst);
      run.slot = index;
      run.marks = (run.events ?? []).filter((event) =>
        ["checkpoint", "session", "returned", "bad_step", "skipped_step", "hardware_fault"].includes(event.kind));
    });
    this.all = runs;
  }

  /** The curve of a run: within a zoom the finer one, when it is there. */
  seriesOf(run) {
    const { detail } = run;
    const fits = this.range && this.axis === "step" && detail && detail.from <= this.range[0] && detail.to >= this.range[1];
    return fits ? detail.series : run.series;
  }

  axisIsThere(axis) {
    return this.all.some((run) => run.series?.[axis]?.some((x) => known(x) && x > 0));
  }

  /** The ends of all curves that are shown. */
  extent() {
    let low = Infinity;
    let high = -Infinity;
    for (const run of this.runs()) {
      for (const x of [run.series?.[this.axis], run.series?.evaluations?.[this.axis]]) {
        for (const at of (x ?? []).filter(known)) {  // times do not ascend where a clock was set back
          low = Math.min(low, at);
          high = Math.max(high, at);
        }
      }
    }
    if (!(high >= low)) return [0, 1];
    if (this.logX) low = Math.max(low, this.axis === "step" ? 1 : high / 1e5);
    else if (this.axis !== "time" && low < high * 0.05) low = 0;
    return high > low ? [low, high] : [low - 0.5, low + 0.5];
  }

  /** Where a step lies on the axis. */
  placeOfStep(run, step) {
    const steps = run.series?.step ?? [];
    const places = run.series?.[this.axis] ?? [];
    if (this.axis === "step") return step;
    if (steps.length === 0) return null;
    const before = indexAt(steps, step);
    if (before < 0) return this.axis === "time" ? places[0] : 0;
    if (before >= steps.length - 1) return places[steps.length - 1];
    const share = (step - steps[before]) / (steps[before + 1] - steps[before] || 1);
    return places[before] + share * (places[before + 1] - places[before]);
  }

  moveCursor(at) {
    this.cursor = at;
    this.drawSoon();
  }

  zoomTo(range) {
    const [low, high] = this.extent();
    if (range) {
      const ends = [Math.max(low, range[0]), Math.min(high, range[1])];
      this.range = ends[1] - ends[0] > (high - low) * 1e-4 ? ends : this.range;
      if (this.range && this.range[0] <= low && this.range[1] >= high) this.range = null;
    } else {
      this.range = null;
    }
    this.drawSoon();
    this.onZoom();
  }

  /** Zooms about the cursor, or about the middle. */
  zoomBy(factor) {
    const [low, high] = this.range ?? this.extent();
    const span = (high - low) * factor;
    const at = this.cursor ?? (low + high) / 2;
    const share = (at - low) / (high - low);
    let from = at - span * share;
    const [first, last] = this.extent();
    if (span >= last - first) return this.zoomTo(null);
    from = Math.min(Math.max(from, first), last - span);
    return this.zoomTo([from, from + span]);
  }

  /** Moves the zoom by a share of its width. */
  pan(share) {
    if (!this.range) return;
    const [first, last] = this.extent();
    const span = this.range[1] - this.range[0];
    const from = Math.min(Math.max(this.range[0] + share * span, first), last - span);
    this.zoomTo([from, from + span]);
  }

  drawSoon() {
    if (this.waiting || document.hidden) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    for (const chart of this.charts) {
      chart.figure.hidden = chart.isEmpty();
      if (!chart.figure.hidden) chart.draw();
    }
    const isEmpty = this.charts.every((chart) => chart.figure.hidden);
    document.getElementById("tools").hidden = isEmpty;
    document.getElementById("readout").textContent = isEmpty ? "No step yet." : this.readout();
  }

  /** What the cursor points at, or how to use the curves. */
  readout() {
    if (this.cursor === null) {
      const touch = matchMedia("(pointer: coarse)").matches;
      if (this.range) return touch ? "Zoomed in." : "Zoomed in; a double click shows all.";
      return touch ? "Touch a curve to read it." : "Drag across a curve to zoom; arrow keys move along it.";
    }
    const parts = [kAxes[this.axis].exact(this.cursor)];
    const run = this.runs().find((one) => (one.series?.[this.axis] ?? []).length > 0);
    if (run) {
      const i = nearest(run.series[this.axis], this.cursor);
      for (const axis of Object.keys(kAxes)) {
        const value = run.series[axis]?.[i];
        if (axis !== this.axis && known(value) && value > 0) parts.push(kAxes[axis].exact(value));
      }
    }
    return parts.join(" · ");
  }
}
