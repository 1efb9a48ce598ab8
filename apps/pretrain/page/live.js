// SPDX-License-Identifier: Apache-2.0
// The dashboard's data: one stream with the states, and the rest of a run when it has changed.

const kPoints = 1000;
const kKeys = kCharts.map((about) => about.key).filter((key) => key !== null).join(",");
/** Curves are fetched again at most this often. */
const kRefresh = 5000;

class Live {
  constructor() {
    this.runs = new Map();
    this.stream = null;
    this.failures = 0;
  }

  async begin() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    view.onChoice = () => this.refresh();
    view.onZoom = () => this.refetchForZoom();
    setInterval(() => { if (!document.hidden && view.all.length > 0) showState(); }, 15000);
    this.open();
  }

  open() {
    if (this.stream) return;
    this.stream = new EventSource("/api/v1/stream");
    this.stream.addEventListener("runs", (event) => this.take(JSON.parse(event.data)));
    this.stream.addEventListener("error", () => this.lost());
  }

  /** A hidden page holds no connection: a browser allows six to a host. */
  close() {
    this.stream?.close();
    this.stream = null;
  }

  lost() {
    const banner = document.getElementById("banner");
    banner.textContent = "The dashboard does not answer; trying again. What is shown is as of the last answer.";
    banner.hidden = false;
    document.getElementById("freshness").textContent = "not connected";
    if (this.stream?.readyState === EventSource.CLOSED) {
      this.close();
      setTimeout(() => { if (!document.hidden) this.open(); }, 3000);
    }
  }

  take(message) {
    clockAhead = message.made - Date.now() / 1000;
    document.getElementById("banner").hidden = true;
    document.getElementById("freshness").textContent = "live";
    document.getElementById("footer").textContent = `pretrain ${message.version}`;
    const runs = message.runs.map((summary) => ({ ...(this.runs.get(summary.id) ?? {}), ...summary }));
    const same = runs.length === this.runs.size && runs.every((run) => this.runs.has(run.id));
    this.runs = new Map(runs.map((run) => [run.id, run]));
    view.take(runs);
    if (same) showState();
    else show();
    this.refresh();
  }

  /** Fetches what has changed of the runs that are shown. */
  async refresh() {
    if (this.busy) { this.again = true; return; }
    this.busy = true;
    try {
      const stale = view.runs().filter((run) => run.fetched !== run.revision && !(Date.now() - (run.fetchedAt ?? 0) < kRefresh));
      for (const run of stale) await this.fetchRun(run);
      if (stale.length > 0) {
        view.take(view.all);
        if (!this.built) buildTools();
        this.built = true;
        show();
      }
    } catch {
      this.lost();
    } finally {
      this.busy = false;
    }
    const waits = view.runs().some((run) => run.fetched !== run.revision);
    if (this.again || waits) {
      this.again = false;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => { if (!document.hidden) this.refresh(); }, 1000);
    }
  }

  async fetchRun(run) {
    const { revision } = run;
    const base = `/api/v1/runs/${encodeURIComponent(run.id)}`;
    const zoom = this.zoomOf(run);
    const [details, series, happened, written, finer] = await Promise.all([
      this.get(base), this.get(`${base}/series?keys=${kKeys}&points=${kPoints}`), this.get(`${base}/events?limit=500`),
      this.get(`${base}/samples?limit=200`),
      zoom ? this.get(`${base}/series?keys=${kKeys}&points=${kPoints}&from=${zoom.from}&to=${zoom.to}`) : null,
    ]);
    const target = this.runs.get(run.id) ?? run;
    const detail = finer ? { ...zoom, series: finer } : null;
    Object.assign(target, details, { series, detail, events: happened, samples: written, fetched: revision, fetchedAt: Date.now() });
  }

  async get(path) {
    const answer = await fetch(path, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }

  /** The steps of the zoom and as many on each side, where the axis is steps: more points for less of the curve. */
  zoomOf(run) {
    if (!view.range || view.axis !== "step" || !(run.step > 0)) return null;
    const [low, high] = view.range;
    const span = high - low;
    return { from: Math.max(0, Math.floor(low - span)), to: Math.ceil(high + span) };
  }

  refetchForZoom() {
    clearTimeout(this.zoomTimer);
    this.zoomTimer = setTimeout(() => {
      for (const run of view.runs()) run.fetchedAt = 0;
      for (const run of view.runs()) run.fetched = -1;
      this.refresh();
    }, 400);
  }
}

setUp();
