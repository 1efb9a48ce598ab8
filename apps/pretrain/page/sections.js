// SPDX-License-Identifier: Apache-2.0
// The parts of the page besides the curves. Each function fills its part from the runs that are shown.

const kPhases = {
  starting: "", training: "good", evaluating: "good", sampling: "good", saving: "good", paused: "warn", suspended: "warn", stopping: "warn",
  finished: "good", stopped: "", failed: "bad", unknown: "warn",
};
const kPhaseWords = { unknown: "ended without a word", finished: "finished" };

function phaseWords(run) {
  return kPhaseWords[run.phase] ?? run.phase;
}

/** "3 min ago" */
function ago(seconds, now) {
  if (!known(seconds) || seconds <= 0) return "–";
  const past = now - seconds;
  return past < 2 ? "just now" : `${duration(past)} ago`;
}

function tile(title, value, note = "", noteClass = "") {
  return element("div", { class: "tile" }, element("dt", {}, title), element("dd", {}, value),
    element("dd", { class: `note ${noteClass}` }, note));
}

function bestWords(run) {
  if (!known(run.best_validation_loss)) return ["", ""];
  if (run.evaluations_since_best === 0) return ["the best so far", "good"];
  return [`best ${loss(run.best_validation_loss)} at step ${count(run.best_validation_step)}, ` +
    `${count(run.evaluations_since_best)} since`, run.evaluations_since_best > 5 ? "bad" : ""];
}

/** Share of the run that is done, or nothing for a run without a limit. */
function progressOf(run) {
  const shares = [];
  if (run.max_steps > 0) shares.push(run.step / run.max_steps);
  if (run.max_tokens > 0) shares.push(run.tokens / run.max_tokens);
  if (run.max_epochs > 0 && known(run.epoch_share)) shares.push((run.epoch + run.epoch_share) / run.max_epochs);
  return shares.length > 0 ? Math.min(1, Math.max(...shares)) : null;
}

function isActive(run) {
  return ["starting", "training", "evaluating", "sampling", "saving", "paused", "suspended", "stopping"].includes(run.phase);
}

function progressBar(run, now) {
  const share = progressOf(run);
  if (share === null) return null;
  const left = known(run.seconds_left) && isActive(run)
    ? `${duration(run.seconds_left)} left, until ${moment(now + run.seconds_left)}` : "";
  const limit = run.max_steps > 0 ? `step ${count(run.step)} of ${count(run.max_steps)}`
    : run.max_tokens > 0 ? `${short(run.tokens)} of ${short(run.max_tokens)} tokens`
      : `epoch ${count(run.epoch + 1)} of ${count(run.max_epochs)}`;
  return element("div", { class: "progress" },
    element("div", {
      class: "bar", role: "progressbar", "aria-label": "Progress of the run", "aria-valuemin": "0",
      "aria-valuemax": "100", "aria-valuenow": Math.round(share * 100),
    }, element("span", { style: { width: `${(share * 100).toFixed(2)}%` } })),
    element("div", { class: "labels muted" }, element("span", {}, `${limit} (${percent(share)})`), element("span", {}, left)));
}

/** Names with their values; what is not known is left out. */
function facts(pairs) {
  const shown = pairs.filter(([, value]) => value && value !== "–");
  return shown.length === 0 ? null : element("dl", { class: "facts" }, shown.map(([title, value]) => element("div", {}, element("dt", {}, title), element("dd", {}, value))));
}

/** How many machines train, with the slots of each. */
function machineWords(run) {
  if (!known(run.machines)) return "";
  const shares = (run.machine_shares ?? []).map((share) => `${share.machine} ${count(share.slots)}`);
  return shares.length > 0 ? `${count(run.machines)}, slots: ${shares.join(", ")}` : count(run.machines);
}

/** The state of one run. */
function stateOf(run, now) {
  const epoch = known(run.epoch) ? `epoch ${count(run.epoch + 1)}${known(run.epoch_share) ? `, ${percent(run.epoch_share)} of it` : ""}` : "";
  return [
    run.problem ? element("p", { class: "problem" }, run.problem) : null,
    element("dl", { class: "hero" },
      tile("loss", loss(run.loss), known(run.loss) ? "mean of the newest steps" : ""),
      tile("validation loss", loss(run.validation_loss), ...bestWords(run)),
      tile("bits per byte", loss(run.bits_per_byte), known(run.validation_step) ? `at step ${count(run.validation_step)}` : ""),
      tile("step", count(run.step), run.max_steps > 0 ? `of ${count(run.max_steps)}` : ""),
      tile("tokens", short(run.tokens), epoch),
      tile("tokens per second", rate(run.tokens_per_second), known(run.utilization) ? `${percent(run.utilization)} of the peak` : "")),
    progressBar(run, now),
    facts([
      ["model", run.model ? `${run.model}${known(run.parameters) ? `, ${short(run.parameters)} parameters` : ""}` : ""],
      ["saved", known(run.checkpoint_step) ? `step ${count(run.checkpoint_step)}${known(run.checkpoint_time) ? `, ${ago(run.checkpoint_time, now)}` : ""}` : "not yet"],
      ["trained", duration(run.trained_seconds)],
      ["started", moment(run.started)],
      ["learning rate", plain(significant(run.learning_rate, 3))],
      ["gradient norm", significant(run.grad_norm, 3)],
      ["waiting for text", percent(run.data_wait_share)],
      ["memory", bytes(run.resident_bytes)],
      ["power of the processor", known(run.watts) ? `${significant(run.watts, 3)} W` : ""],
      ["threads", count(run.threads)],
      ["machines", machineWords(run)],
      ["exchange", known(run.exchange_seconds) ? `${duration(run.exchange_seconds)} of the newest step` : ""],
      ["machines joined", run.joined_machines > 0 ? count(run.joined_machines) : ""],
      ["machines lost", run.lost_machines > 0 ? count(run.lost_machines) : ""],
      ["skipped documents", known(run.skipped_documents) ? count(run.skipped_documents) : ""],
      ["bad steps", run.bad_steps > 0 ? count(run.bad_steps) : ""],
    ]),
  ];
}

/** Several runs as one table. */
function statesOf(runs, now) {
  const number = (title, cell) => ({ title, number: true, cell });
  return element("div", { class: "scroll" }, table("", [
    { title: "run", cell: (run) => [element("i", { class: "swatch small", style: { background: runColour(run.slot) } }), run.name] },
    { title: "state", class: (run) => `kind ${kPhases[run.phase] ?? ""}`, cell: (run) => phaseWords(run) },
    number("step", (run) => count(run.step)),
    number("loss", (run) => loss(run.loss)),
    number("validation", (run) => loss(run.validation_loss)),
    number("best", (run) => loss(run.best_validation_loss)),
    number("bits per byte", (run) => loss(run.bits_per_byte)),
    number("tokens", (run) => short(run.tokens)),
    number("tokens/s", (run) => rate(run.tokens_per_second)),
    number("trained", (run) => duration(run.trained_seconds)),
    number("left", (run) => (isActive(run) ? duration(run.seconds_left) : "–")),
    number("saved", (run) => ago(run.checkpoint_time, now)),
  ], runs));
}

function fillNow(runs, now) {
  const parent = document.getElementById("now");
  if (runs.length === 0) return fill(parent, element("p", { class: "empty" }, "No run is shown."));
  if (runs.length === 1) return fill(parent, stateOf(runs[0], now));
  return fill(parent, element("div", { class: "hero" }), statesOf(runs, now),
    runs.filter((run) => run.problem).map((run) => element("p", { class: "problem" }, `${run.name}: ${run.problem}`)));
}

/** Samples: a slider over the steps, below it each prompt with its text, runs side by side. */
class Samples {
  constructor() {
    this.body = document.querySelector("#samples .body");
    this.at = null;
  }

  fill(runs) {
    const written = runs.filter((run) => (run.samples ?? []).length > 0);
    const steps = [...new Set(written.flatMap((run) => run.samples.map((sample) => sample.step)))].sort((a, b) => a - b);
    if (steps.length === 0) {
      return fill(this.body, element("p", { class: "empty" }, "No sample yet: a run writes one with each evaluation unless --sample-tokens is 0."));
    }
    this.steps = steps;
    if (this.at === null || !steps.includes(this.at)) this.at = null;
    const label = element("output", { class: "muted" });
    const columns = element("div", { class: "columns" });
    const show = () => {
      const step = this.at ?? steps[steps.length - 1];
      label.textContent = `step ${count(step)}${this.at === null ? ", the newest" : ""}`;
      fill(columns, written.map((run) => this.cardOf(run, step, runs.length > 1)));
    };
    const slider = element("input", {
      type: "range", min: 0, max: steps.length - 1, "aria-label": "Step of the samples",
      oninput: (event) => {
        const index = Number(event.target.value);
        this.at = index === steps.length - 1 ? null : steps[index];
        event.target.setAttribute("aria-valuetext", `step ${count(steps[index])}`);
        show();
      },
    });
    slider.value = this.at === null ? steps.length - 1 : steps.indexOf(this.at);
    show();
    return fill(this.body, steps.length > 1 ? element("div", { class: "slide" }, slider, label) : element("p", { class: "muted" }, label), columns);
  }

  /** The newest samples of a run up to the step, one for each prompt. */
  cardOf(run, step, named) {
    const byPrompt = new Map();
    for (const sample of [...run.samples].sort((a, b) => a.step - b.step)) {
      if (sample.step <= step) byPrompt.set(sample.prompt ?? "", sample);
    }
    const shown = [...byPrompt.values()];
    if (shown.length === 0) return null;
    const title = `${named ? `${run.name}, ` : ""}step ${count(shown[shown.length - 1].step)}`;
    return element("article", { class: "card" }, element("h3", {}, title), shown.map((sample) => element("p", { class: "sample", tabindex: "0" },
      sample.prompt ? element("span", { class: "prompt" }, modelText(sample.prompt)) : null, modelText(sample.text ?? ""))));
  }
}

const kActivities = ["forward", "backward", "optimizer", "data_wait", "checkpoint", "evaluation", "samples"];
const kActivityWords = {
  forward: "forward pass", backward: "backward pass", optimizer: "optimizer", data_wait: "waiting for text",
  checkpoint: "waiting for checkpoints", evaluation: "evaluations", samples: "samples",
};

function fillTime(runs) {
  const body = document.querySelector("#time .body");
  const timed = runs.filter((run) => run.split && kActivities.some((key) => run.split[key] > 0));
  if (timed.length === 0) return fill(body, element("p", { class: "empty" }, "No step yet."));
  return fill(body, element("div", { class: "columns" }, timed.map((run) => {
    const parts = kActivities.map((key, slot) => ({ key, slot, seconds: run.split[key] ?? 0 })).filter((part) => part.seconds > 0);
    const sum = parts.reduce((total, part) => total + part.seconds, 0);
    const headShare = run.split.loss > 0 ? `; output head and loss: ${percent(run.split.loss / sum)} of all` : "";
    return element("article", { class: "card" },
      element("h3", {}, runs.length > 1 ? run.name : `${duration(sum)} in all`),
      element("div", { class: "split", "aria-hidden": "true" }, parts.map((part) => element("span", { class: `split-${part.slot}`, style: { width: `${(100 * part.seconds) / sum}%` } }))),
      element("div", { class: "scroll", style: { border: "0" } }, table("", [
        { title: "activity", cell: (part) => [element("i", { class: `swatch small split-${part.slot}` }), kActivityWords[part.key]] },
        { title: "time", number: true, cell: (part) => duration(part.seconds) },
        { title: "share", number: true, cell: (part) => percent(part.seconds / sum) },
      ], parts)),
      element("p", { class: "muted" }, `${runs.length > 1 ? `${duration(sum)} in all` : "Pauses between sessions are not in it"}${headShare}`));
  })));
}

const kKindClass = {
  checkpoint_error: "bad", bad_step: "bad", hardware_fault: "bad", returned: "warn", skipped_step: "warn", paused: "warn",
  throttled: "warn", session: "good", continued: "good", machine_wrong: "bad", machine_lost: "warn", machine_left: "warn", machine_joined: "good",
};
const kKindWords = {
  session: "session", end: "end", evaluation: "evaluation", checkpoint: "checkpoint", checkpoint_error: "failed checkpoint",
  bad_step: "bad step", skipped_step: "skipped step", returned: "return", hardware_fault: "machine fault",
  paused: "pause", continued: "continued", settings: "settings", machine_joined: "machine joined", machine_left: "machine left",
  machine_lost: "lost machine", machine_wrong: "wrong machine", machine_slots: "slots", throttled: "heat",
};

/** Events, newest first, by kind. */
class Events {
  constructor() {
    this.body = document.querySelector("#events .body");
    this.hidden = new Set();
  }

  fill(runs) {
    const all = runs.flatMap((run) => (run.events ?? []).map((event) => ({ ...event, run })));
    if (all.length === 0) return fill(this.body, element("p", { class: "empty" }, "No event yet."));
    const kinds = [...new Set(all.map((event) => event.kind))].sort();
    const boxes = kinds.map((kind) => element("label", { class: "chip" }, element("input", {
      type: "checkbox", checked: !this.hidden.has(kind),
      onchange: (change) => {
        if (change.target.checked) this.hidden.delete(kind);
        else this.hidden.add(kind);
        this.fill(runs);
        this.body.querySelectorAll("input")[kinds.indexOf(kind)]?.focus();
      },
    }), element("span", {}, `${kKindWords[kind] ?? kind} (${count(all.filter((event) => event.kind === kind).length)})`)));
    const rows = all.filter((event) => !this.hidden.has(event.kind))
      .sort((a, b) => (b.time ?? 0) - (a.time ?? 0) || b.step - a.step).slice(0, 500);
    const columns = [
      { title: "step", number: true, cell: (event) => count(event.step) },
      { title: "kind", class: (event) => `kind ${kKindClass[event.kind] ?? ""}`, cell: (event) => kKindWords[event.kind] ?? event.kind },
      { title: "what", class: () => "text", cell: (event) => event.text },
    ];
    if (rows.some((event) => event.time > 0)) columns.splice(1, 0, { title: "time", class: () => "kind", cell: (event) => moment(event.time, true) });
    if (runs.length > 1) columns.splice(1, 0, { title: "run", cell: (event) => [element("i", { class: "swatch small", style: { background: runColour(event.run.slot) } }), event.run.name] });
    return fill(this.body, element("div", { class: "chips", role: "group", "aria-label": "Kinds shown" }, boxes),
      element("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Events" }, table("", columns, rows)));
  }
}

/** The configuration of one run, or the differences of several. */
class Configuration {
  constructor() {
    this.body = document.querySelector("#configuration .body");
    this.onlyDifferences = true;
  }

  fill(runs) {
    const with_ = runs.filter((run) => run.configuration && Object.keys(run.configuration).length > 0);
    if (with_.length === 0) return fill(this.body, element("p", { class: "empty" }, "No configuration is recorded."));
    const keys = [...new Set(with_.flatMap((run) => Object.keys(run.configuration)))].sort();
    const differs = (key) => new Set(with_.map((run) => run.configuration[key] ?? "")).size > 1;
    const several = with_.length > 1;
    const rows = several && this.onlyDifferences ? keys.filter(differs) : keys;
    const box = element("label", {}, element("input", {
      type: "checkbox", checked: this.onlyDifferences,
      onchange: (event) => {
        this.onlyDifferences = event.target.checked;
        this.fill(runs);
        this.body.querySelector("input").focus();
      },
    }), `only what differs (${count(keys.filter(differs).length)} of ${count(keys.length)} options)`);
    const columns = [{ title: "option", cell: (key) => key }, ...with_.map((run) => ({
      title: several ? run.name : "value", class: () => "text", cell: (key) => run.configuration[key] ?? "–",
    }))];
    const content = rows.length > 0
      ? element("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Configuration" }, table("", columns, rows, (key) => (several && differs(key) && !this.onlyDifferences ? "differs" : "")))
      : element("p", { class: "empty" }, "The runs have the same options.");
    return fill(this.body, several ? element("p", {}, box) : null, content);
  }
}

function machineFacts(run) {
  const machine = run.machine ?? {};
  return facts([
    ["processor", machine.processor], ["instruction set", machine.kernels], ["precision", machine.precision],
    ["threads", known(machine.threads) ? count(machine.threads) : ""], ["threads that read text", known(machine.workers) ? count(machine.workers) : ""],
    ["measured peak", known(machine.peak_flops) ? short(machine.peak_flops).replace(/([TGMk]?)$/, " $1FLOP/s") : ""], ["program", machine.version],
  ]);
}

function fillFiles(runs, now) {
  const body = document.querySelector("#files .body");
  fill(body, element("div", { class: "columns" }, runs.map((run) => {
    const skips = Object.entries(run.skips ?? {}).sort((a, b) => b[1] - a[1]);
    return element("article", { class: "card" }, runs.length > 1 ? element("h3", {}, run.name) : null, machineFacts(run),
      (run.checkpoints ?? []).length > 0 ? table("Checkpoints", [
        { title: "step", cell: (one) => count(one.step) },
        { title: "written", cell: (one) => (known(one.time) ? ago(one.time, now) : "–") },
        { title: "size", number: true, cell: (one) => bytes(one.bytes) },
      ], run.checkpoints) : element("p", { class: "empty" }, "No checkpoint yet."),
      skips.length > 0 ? table("Skipped text", [
        { title: "reason", cell: ([reason]) => reason }, { title: "times", number: true, cell: ([, times]) => count(times) },
      ], skips) : element("p", { class: "empty" }, "No text was skipped."),
      (run.sessions ?? []).length > 1 ? table("Sessions", [
        { title: "began", class: () => "moment", cell: (one) => moment(one.started) },
        { title: "steps", number: true, cell: (one) => `${count(one.first_step)} to ${count(one.last_step)}` },
        { title: "ended", class: () => "text", cell: (one) => one.error ?? one.reason ?? "–" },
      ], [...run.sessions].reverse()) : null);
  })));
}
