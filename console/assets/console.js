// The console's page: takes each look from /events and writes it into the table.
//
// Invariant: text goes into the page as text, never as markup. Figures older than three looks are shown as stale.
"use strict";

const WORDS = {
  ok: "OK", idle: "Idle", unknown: "Not known yet", catching_up: "Catching up", falling_behind: "Falling behind",
  stalled: "Stalled", stopped: "Stopped", rewound: "Rewound", losing_data: "Losing data",
};
const SVG = "http://www.w3.org/2000/svg";
const at = (id) => document.getElementById(id);
const body = document.querySelector("#processors tbody");
const rows = new Map();
let seen = 0;
let every = 2000;
let lost = true;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function count(n) {
  return n < 1e6 ? n.toLocaleString("en-US") : (n / 1e6).toFixed(2) + " M";
}

// A length of time in its two greatest units.
function span(seconds) {
  if (seconds < 1) return Math.round(seconds * 1000) + " ms";
  if (seconds < 60) return (seconds < 10 && seconds % 1 ? seconds.toFixed(1) : Math.round(seconds)) + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min " + Math.floor(seconds % 60) + " s";
  if (seconds < 86400) return Math.floor(seconds / 3600) + " h " + Math.floor((seconds % 3600) / 60) + " min";
  return Math.floor(seconds / 86400) + " d " + Math.floor((seconds % 86400) / 3600) + " h";
}

function rate(n) {
  if (n === null) return "–";
  return (n >= 100 ? count(Math.round(n)) : n.toFixed(n < 10 && n > 0 ? 1 : 0)) + "/s";
}

function write(cell, text, isNone) {
  if (cell.textContent !== text) cell.textContent = text;
  cell.classList.toggle("none", Boolean(isNone));
}

function newRow(name) {
  const row = element("tr");
  const head = element("th");
  head.scope = "row";
  const button = element("button", "", name);
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  const reason = element("div", "reason");
  head.append(button, reason);
  const cells = {};
  row.append(head);
  for (const [key, className, label] of [
    ["status", "status"], ["records", "n", "Behind"], ["time", "n", "In time"], ["over", "over"],
    ["end", "n end", "Caught up in"], ["reads", "n reads", "Reads"], ["dead", "n dead", "Dead letters"],
  ]) {
    const cell = element("td", className);
    if (label) cell.dataset.label = label;
    if (label) cell.append(element("span"));
    cells[key] = cell;
    row.append(cell);
  }
  const reasons = element("td", "reasons");
  const inCard = element("div", "reason");
  reasons.append(inCard);
  row.append(reasons);
  const pill = element("span", "pill");
  cells.status.append(pill);
  const trend = element("div", "trend");
  const chart = document.createElementNS(SVG, "svg");
  chart.setAttribute("viewBox", "0 0 100 24");
  chart.setAttribute("preserveAspectRatio", "none");
  chart.setAttribute("role", "img");
  const word = element("span");
  trend.append(chart, word);
  cells.over.append(trend);
  const inputs = element("tr", "inputs");
  inputs.hidden = true;
  const wide = element("td");
  wide.colSpan = 8;
  const list = element("ul");
  wide.append(list);
  inputs.append(wide);
  button.addEventListener("click", () => {
    inputs.hidden = !inputs.hidden;
    button.setAttribute("aria-expanded", String(!inputs.hidden));
  });
  body.append(row, inputs);
  return { row, reason, inCard, cells, pill, chart, word, inputs, list };
}

// Unread records over time. The scale is the row's own; its greatest value is said in words.
function draw(chart, history) {
  const most = Math.max(1, ...history);
  const step = 100 / Math.max(1, history.length - 1);
  const y = (value) => (22 - (20 * value) / most).toFixed(1);
  const points = history.map((value, i) => (i * step).toFixed(1) + "," + y(value));
  const make = (tag, attributes) => {
    const made = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const parts = [make("line", { x1: 0, x2: 100, y1: 22, y2: 22 })];
  if (points.length > 1 && history.some((value) => value > 0)) {
    const line = "M" + points.join("L");
    parts.push(make("path", { class: "area", d: line + "L100,22L0,22Z" }), make("path", { d: line }));
  }
  chart.replaceChildren(...parts);
  chart.setAttribute("aria-label", "unread records, at most " + count(Math.max(0, ...history)));
}

function show(processor) {
  if (!rows.has(processor.name)) rows.set(processor.name, newRow(processor.name));
  const { reason, inCard, cells, pill, chart, word, list } = rows.get(processor.name);
  const figure = (key, text, isNone) => write(cells[key].firstChild, text, isNone);
  pill.className = "pill " + processor.status;
  write(pill, WORDS[processor.status] || processor.status);
  const isPlain = processor.status === "ok" || processor.status === "idle";
  write(reason, isPlain ? "" : processor.reason);
  write(inCard, isPlain ? "" : processor.reason);
  pill.title = processor.reason;
  figure("records", count(processor.lag_records), processor.lag_records === 0);
  figure("time", processor.lag_seconds === null ? "not recorded" : processor.lag_records === 0 ? "0 s" : span(processor.lag_seconds), processor.lag_records === 0);
  const isBehind = processor.lag_records > 0;
  // One that keeps up at a short distance needs no end.
  const isNever = isBehind && processor.is_never && processor.is_bad;
  figure("end", isNever ? "never" : isBehind && processor.catch_up_seconds !== null ? span(processor.catch_up_seconds) : "–", !isNever && (!isBehind || processor.catch_up_seconds === null));
  cells.end.firstChild.classList.toggle("never", isNever);
  figure("reads", rate(processor.out_rate), !processor.out_rate);
  // Counted by offsets, of which commits take some.
  figure("dead", (processor.dead_letters > 0 ? "≤ " : "") + count(processor.dead_letters), processor.dead_letters === 0);
  cells.dead.firstChild.classList.toggle("has-dead-letters", processor.dead_letters > 0);
  draw(chart, processor.history);
  const most = Math.max(0, ...processor.history);
  const arrow = { growing: "↗ ", shrinking: "↘ " }[processor.trend] || "";
  write(word, arrow + (most > 0 ? "max " + count(most) : ""));
  list.replaceChildren(...processor.inputs.map((input) => {
    const item = element("li");
    const behind = input.lag_records === 0 ? "read" : count(input.lag_records) + " behind" + (input.lag_seconds === null ? "" : ", " + span(input.lag_seconds));
    item.append(element("code", "", input.topic), element("span", "", behind));
    return item;
  }));
}

function headline(processors) {
  const bad = processors.filter((processor) => processor.is_bad);
  const moving = processors.filter((processor) => processor.status === "catching_up");
  const unsure = processors.filter((processor) => processor.status === "unknown");
  const idle = processors.filter((processor) => processor.status === "idle");
  const of = (some) => (some.length === processors.length ? "All " + some.length + " processors" : some.length + " of " + processors.length + " processors");
  if (bad.length > 0) return of(bad) + (bad.length === 1 ? " needs" : " need") + " attention";
  if (moving.length > 0) return of(moving) + (moving.length === 1 ? " is" : " are") + " catching up";
  if (unsure.length > 0) return of(unsure) + " behind, too early to judge";
  if (idle.length === processors.length) return "Everything is read, and nothing new comes";
  return "Every processor keeps up";
}

function update(report) {
  seen = Date.now();
  every = report.every;
  write(at("log"), report.log);
  write(at("version"), " · " + report.version);
  at("error").hidden = report.error === null;
  write(at("error"), report.error === null ? "" : "The log could not be looked at: " + report.error);
  at("processors").hidden = report.processors.length === 0;
  report.processors.forEach(show);
  for (const [name, { row, inputs }] of rows) {
    if (report.processors.some((processor) => processor.name === name)) continue;
    row.remove();
    inputs.remove();
    rows.delete(name);
  }
  if (report.processors.length === 0) return;
  write(at("headline"), headline(report.processors));
  const behind = report.processors.reduce((sum, processor) => sum + processor.lag_records, 0);
  const oldest = Math.max(0, ...report.processors.map((processor) => (processor.lag_records > 0 ? processor.lag_seconds || 0 : 0)));
  const deadLetters = report.processors.reduce((sum, processor) => sum + processor.dead_letters, 0);
  const parts = [behind === 0 ? "no record waits" : count(behind) + (behind === 1 ? " record waits" : " records wait") + ", the oldest for " + span(oldest)];
  if (deadLetters > 0) parts.push("at most " + count(deadLetters) + (deadLetters === 1 ? " dead letter" : " dead letters"));
  write(at("detail"), parts.join(" · "));
  document.title = (report.processors.some((processor) => processor.is_bad) ? "⚠ " : "") + "Fastbreak";
}

// Says how old the figures are, even when nothing comes any more.
function age() {
  const old = Date.now() - seen;
  const isStale = seen > 0 && (lost || old > 3 * every);
  document.body.classList.toggle("stale", isStale);
  const state = isStale || (lost && seen > 0) ? "lost" : seen > 0 ? "live" : "waiting";
  at("link").dataset.state = state;
  const since = span(Math.floor(old / 1000) || 0.0).replace("0 ms", "now");
  write(at("link"), seen === 0 ? "connecting" : state === "live" ? "live, every " + span(every / 1000) : "no connection, as of " + since + " ago");
}

const source = new EventSource("/events");
source.addEventListener("open", () => { lost = false; age(); });
source.addEventListener("error", () => { lost = true; age(); });
source.addEventListener("report", (event) => {
  const report = JSON.parse(event.data);
  if (report) update(report);
  age();
});
setInterval(age, 1000);
