// SPDX-License-Identifier: Apache-2.0
// Puts the page together. A report has its data inside; the dashboard gets it from the program that served the page.

const view = new View();
const samples = new Samples();
const events = new Events();
const configuration = new Configuration();
/** Of the program's clock less this browser's, in seconds. */
let clockAhead = 0;
const clock = () => Date.now() / 1000 + clockAhead;

/** A group of buttons of which one is pressed. */
function choice(title, options, get, set) {
  const buttons = Object.entries(options).map(([value, label]) => element("button", {
    type: "button", "aria-pressed": String(get() === value), onclick: () => {
      set(value);
      for (const [other, button] of buttons) button.setAttribute("aria-pressed", String(other === value));
    },
  }, label));
  Object.keys(options).forEach((value, index) => { buttons[index] = [value, buttons[index]]; });
  return element("span", { class: "choice", role: "group", "aria-label": title }, buttons.map(([, button]) => button));
}

function check(title, get, set) {
  return element("label", {}, element("input", { type: "checkbox", checked: get(), onchange: (event) => { set(event.target.checked); view.drawSoon(); } }), title);
}

function buildTools() {
  const axes = Object.fromEntries(Object.entries(kAxes).filter(([axis]) => axis === "step" || view.axisIsThere(axis))
    .map(([axis, about]) => [axis, about.title]));
  const zoomKeys = element("span", { class: "choice", role: "group", "aria-label": "Zoom" },
    [["◀", "Earlier", () => view.pan(-0.5)], ["−", "Zoom out", () => view.zoomBy(2)], ["+", "Zoom in", () => view.zoomBy(0.5)],
      ["▶", "Later", () => view.pan(0.5)], ["all", "Show all", () => view.zoomTo(null)]]
      .map(([label, title, act]) => element("button", { type: "button", "aria-label": title, title, onclick: act }, label)));
  const slider = element("input", {
    type: "range", min: 0, max: 99, value: Math.round(view.smoothing * 100), "aria-label": "Smoothing",
    oninput: (event) => { view.smoothing = Number(event.target.value) / 100; view.drawSoon(); },
  });
  fill(document.getElementById("tools"),
    choice("Across", axes, () => view.axis, (axis) => { view.axis = axis; view.range = null; view.cursor = null; view.drawSoon(); }),
    zoomKeys,
    element("label", {}, "smooth", slider),
    check("log steps", () => view.logX, (on) => { view.logX = on; view.range = null; }),
    check("log loss", () => view.logY, (on) => { view.logY = on; }),
    check("range", () => view.band, (on) => { view.band = on; }),
    check("outliers", () => view.outliers, (on) => { view.outliers = on; }),
    check("marks", () => view.marks, (on) => { view.marks = on; }));
}

function buildChips() {
  const parent = document.getElementById("runs");
  parent.hidden = view.all.length < 2;
  if (parent.hidden) return parent.replaceChildren();
  const focused = document.activeElement?.dataset?.run;
  fill(parent, view.all.map((run) => element("label", { class: "chip" },
    element("input", {
      type: "checkbox", "data-run": run.id, checked: view.chosen.get(run.id),
      onchange: (event) => { view.chosen.set(run.id, event.target.checked); view.onChoice?.(run); show(); },
    }),
    element("i", { class: "swatch", style: { background: runColour(run.slot) } }), element("span", {}, run.name))));
  if (focused !== undefined) [...parent.querySelectorAll("input")].find((box) => box.dataset.run === focused)?.focus();
}

/** The newest state: title, phase, tiles. Done each second, so it touches little. */
function showState() {
  const runs = view.runs();
  const first = runs[0] ?? view.all[0];
  const name = view.all.length === 1 ? first.name : `${view.all.length} runs`;
  document.getElementById("title").textContent = view.all.length === 0 ? "No run" : name;
  const bad = view.all.filter((run) => run.phase === "failed");
  const phase = document.getElementById("phase");
  const words = view.all.length === 1 ? phaseWords(first)
    : `${view.all.filter(isActive).length} training${bad.length > 0 ? `, ${bad.length} failed` : ""}`;
  if (phase.textContent !== words) phase.textContent = view.all.length === 0 ? "" : words;
  phase.className = `pill ${bad.length > 0 ? "bad" : view.all.length === 1 ? kPhases[first?.phase] ?? "" : ""}`;
  document.title = view.all.length === 1 ? `${bad.length > 0 ? "failed · " : ""}${loss(first.loss)} · ${first.name}` : name;
  const colour = bad.length > 0 ? "%23d6303c" : view.all.some(isActive) ? "%231f9d55" : "%23708090";
  document.getElementById("icon").href = `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><rect width='16' height='16' rx='4' fill='${colour}'/><path d='M3 3c1 7 4 9 10 9' fill='none' stroke='white' stroke-width='2'/></svg>`;
  fillNow(runs, clock());
}

/** Everything, after data or the choice of runs has changed. */
function show() {
  const runs = view.runs();
  showState();
  buildChips();
  samples.fill(runs);
  fillTime(runs);
  events.fill(runs);
  configuration.fill(runs);
  fillFiles(runs, clock());
  view.drawSoon();
}

/** Dark, light, or as the system has it. */
function setUpTheme() {
  const button = document.getElementById("theme");
  const themes = ["", "dark", "light"];
  const words = { "": "those of the system", dark: "dark", light: "light" };
  const apply = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.textContent = { "": "◐", dark: "●", light: "○" }[theme];
    button.setAttribute("aria-label", `Colours: ${words[theme]}`);
    button.title = `Colours: ${words[theme]}`;
    if (view.all.length > 0) show();
  };
  let kept = "";
  try { kept = localStorage.getItem("theme") ?? ""; } catch { /* a file may have no storage */ }
  apply(themes.includes(kept) ? kept : "");
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(document.documentElement.dataset.theme ?? "") + 1) % themes.length];
    try { localStorage.setItem("theme", next); } catch { /* as above */ }
    apply(next);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show());
}

function start(data) {
  view.take(data.runs);
  buildTools();
  show();
}

function setUp() {
  fill(document.getElementById("charts"), view.charts.map((chart) => chart.figure));
  setUpTheme();
  new ResizeObserver(() => view.drawSoon()).observe(document.getElementById("charts"));
  document.addEventListener("visibilitychange", () => view.drawSoon());
  const inside = document.getElementById("data");
  if (inside) {
    const data = JSON.parse(inside.textContent);
    clockAhead = data.made - Date.now() / 1000;  // times are told as of the report
    document.getElementById("freshness").textContent = `as of ${moment(data.made, true)}`;
    document.getElementById("footer").textContent = `Report of pretrain ${data.version}, ${moment(data.made, true)}.`;
    start(data);
  } else {
    new Live().begin();
  }
}
