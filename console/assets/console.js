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
const body = document.querySelector("#stages tbody");
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

function show(stage) {
  if (!rows.has(stage.name)) rows.set(stage.name, newRow(stage.name));
  const { reason, inCard, cells, pill, chart, word, list } = rows.get(stage.name);
  const figure = (key, text, isNone) => write(cells[key].firstChild, text, isNone);
  pill.className = "pill " + stage.status;
  write(pill, WORDS[stage.status] || stage.status);
  const isPlain = stage.status === "ok" || stage.status === "idle";
  write(reason, isPlain ? "" : stage.reason);
  write(inCard, isPlain ? "" : stage.reason);
  pill.title = stage.reason;
  figure("records", count(stage.lag_records), stage.lag_records === 0);
  figure("time", stage.lag_seconds === null ? "not recorded" : stage.lag_records === 0 ? "0 s" : span(stage.lag_seconds), stage.lag_records === 0);
  const isBehind = stage.lag_records > 0;
  // One that keeps up at a short distance needs no end.
  const isNever = isBehind && stage.is_never && stage.is_bad;
  figure("end", isNever ? "never" : isBehind && stage.catch_up_seconds !== null ? span(stage.catch_up_seconds) : "–", !isNever && (!isBehind || stage.catch_up_seconds === null));
  cells.end.firstChild.classList.toggle("never", isNever);
  figure("reads", rate(stage.out_rate), !stage.out_rate);
  // Counted by offsets, of which commits take some.
  figure("dead", (stage.dead_letters > 0 ? "≤ " : "") + count(stage.dead_letters), stage.dead_letters === 0);
  cells.dead.firstChild.classList.toggle("letters", stage.dead_letters > 0);
  draw(chart, stage.history);
  const most = Math.max(0, ...stage.history);
  const arrow = { growing: "↗ ", shrinking: "↘ " }[stage.trend] || "";
  write(word, arrow + (most > 0 ? "max " + count(most) : ""));
  list.replaceChildren(...stage.inputs.map((input) => {
    const item = element("li");
    const behind = input.lag_records === 0 ? "read" : count(input.lag_records) + " behind" + (input.lag_seconds === null ? "" : ", " + span(input.lag_seconds));
    item.append(element("code", "", input.topic), element("span", "", behind));
    return item;
  }));
}

function headline(stages) {
  const bad = stages.filter((stage) => stage.is_bad);
  const moving = stages.filter((stage) => stage.status === "catching_up");
  const unsure = stages.filter((stage) => stage.status === "unknown");
  const idle = stages.filter((stage) => stage.status === "idle");
  const of = (some) => (some.length === stages.length ? "All " + some.length + " stages" : some.length + " of " + stages.length + " stages");
  if (bad.length > 0) return of(bad) + (bad.length === 1 ? " needs" : " need") + " attention";
  if (moving.length > 0) return of(moving) + (moving.length === 1 ? " is" : " are") + " catching up";
  if (unsure.length > 0) return of(unsure) + " behind, too early to judge";
  if (idle.length === stages.length) return "Everything is read, and nothing new comes";
  return "Every stage keeps up";
}

function look(stages) {
  seen = Date.now();
  every = stages.every;
  write(at("log"), stages.log);
  write(at("version"), " · " + stages.version);
  at("trouble").hidden = stages.trouble === null;
  write(at("trouble"), stages.trouble === null ? "" : "The log could not be looked at: " + stages.trouble);
  at("stages").hidden = stages.stages.length === 0;
  stages.stages.forEach(show);
  for (const [name, { row, inputs }] of rows) {
    if (stages.stages.some((stage) => stage.name === name)) continue;
    row.remove();
    inputs.remove();
    rows.delete(name);
  }
  if (stages.stages.length === 0) return;
  write(at("headline"), headline(stages.stages));
  const behind = stages.stages.reduce((sum, stage) => sum + stage.lag_records, 0);
  const oldest = Math.max(0, ...stages.stages.map((stage) => (stage.lag_records > 0 ? stage.lag_seconds || 0 : 0)));
  const letters = stages.stages.reduce((sum, stage) => sum + stage.dead_letters, 0);
  const parts = [behind === 0 ? "no record waits" : count(behind) + (behind === 1 ? " record waits" : " records wait") + ", the oldest for " + span(oldest)];
  if (letters > 0) parts.push("at most " + count(letters) + (letters === 1 ? " dead letter" : " dead letters"));
  write(at("detail"), parts.join(" · "));
  document.title = (stages.stages.some((stage) => stage.is_bad) ? "⚠ " : "") + "Fastbreak";
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
source.addEventListener("look", (event) => {
  const stages = JSON.parse(event.data);
  if (stages) look(stages);
  age();
});
setInterval(age, 1000);
