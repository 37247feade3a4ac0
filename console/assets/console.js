// The status page: receives each sample from /events and shows it in the table.
//
// Invariant: text is inserted as text, never as markup. Figures older than three sample intervals are shown as stale.
"use strict";

const STATUS_TEXTS = {
  ok: "OK", idle: "Idle", unknown: "Unknown", catching_up: "Catching up", falling_behind: "Falling behind",
  stalled: "Stalled", stopped: "Stopped", rewound: "Rewound", losing_data: "Losing data",
};
const SVG = "http://www.w3.org/2000/svg";
const at = (id) => document.getElementById(id);
const body = document.querySelector("#processors tbody");
const rows = new Map();
let receivedAt = 0;
let sampleIntervalMs = 2000;
let isDisconnected = true;
let newestHeadline = "Waiting for the first sample";
let needsAttention = false;

function element(tag, className, text) {
  const created = document.createElement(tag);
  if (className) created.className = className;
  if (text !== undefined) created.textContent = text;
  return created;
}

function formatCount(n) {
  return n < 1e6 ? n.toLocaleString("en-US") : (n / 1e6).toFixed(2) + " M";
}

// Formats a duration in its two largest units.
function formatDuration(seconds) {
  if (seconds < 1) return Math.round(seconds * 1000) + " ms";
  if (seconds < 60) return (seconds < 10 && seconds % 1 ? seconds.toFixed(1) : Math.round(seconds)) + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min " + Math.floor(seconds % 60) + " s";
  if (seconds < 86400) return Math.floor(seconds / 3600) + " h " + Math.floor((seconds % 3600) / 60) + " min";
  return Math.floor(seconds / 86400) + " d " + Math.floor((seconds % 86400) / 3600) + " h";
}

function formatRate(n) {
  if (n === null) return "–";
  return (n >= 100 ? formatCount(Math.round(n)) : n.toFixed(n < 10 && n > 0 ? 1 : 0)) + "/s";
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
    ["status", "status"], ["records", "n", "Unread"], ["time", "n", "Oldest unread"], ["over", "over"],
    ["end", "n end", "Caught up in"], ["reads", "n reads", "Read rate"], ["dead", "n dead", "Dead letters"],
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

// Draws unread records over time. Each row has its own scale; its maximum is shown as text beside the chart.
function draw(chart, history) {
  const maximum = Math.max(1, ...history);
  const step = 100 / Math.max(1, history.length - 1);
  const y = (value) => (22 - (20 * value) / maximum).toFixed(1);
  const points = history.map((value, i) => (i * step).toFixed(1) + "," + y(value));
  const make = (tag, attributes) => {
    const created = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, value);
    return created;
  };
  const parts = [make("line", { x1: 0, x2: 100, y1: 22, y2: 22 })];
  if (points.length > 1 && history.some((value) => value > 0)) {
    const line = "M" + points.join("L");
    parts.push(make("path", { class: "area", d: line + "L100,22L0,22Z" }), make("path", { d: line }));
  }
  chart.replaceChildren(...parts);
  chart.setAttribute("aria-label", "unread records, at most " + formatCount(Math.max(0, ...history)));
}

function show(processor) {
  if (!rows.has(processor.name)) rows.set(processor.name, newRow(processor.name));
  const { reason, inCard, cells, pill, chart, word, list } = rows.get(processor.name);
  const figure = (key, text, isNone) => write(cells[key].firstChild, text, isNone);
  pill.className = "pill " + processor.status;
  write(pill, STATUS_TEXTS[processor.status] || processor.status);
  const isPlain = processor.status === "ok" || processor.status === "idle";
  write(reason, isPlain ? "" : processor.reason);
  write(inCard, isPlain ? "" : processor.reason);
  pill.title = processor.reason;
  figure("records", formatCount(processor.lag_records), processor.lag_records === 0);
  figure("time", processor.lag_seconds === null ? "not recorded" : processor.lag_records === 0 ? "0 s" : formatDuration(processor.lag_seconds), processor.lag_records === 0);
  const hasLag = processor.lag_records > 0;
  // A processor whose lag is small and constant never reaches lag 0, but this is no problem, so it is not shown as "never".
  const isNever = hasLag && processor.is_never && processor.is_bad;
  figure("end", isNever ? "never" : hasLag && processor.catch_up_seconds !== null ? formatDuration(processor.catch_up_seconds) : "–", !isNever && (!hasLag || processor.catch_up_seconds === null));
  cells.end.firstChild.classList.toggle("never", isNever);
  figure("reads", formatRate(processor.out_rate), !processor.out_rate);
  // The number is an upper bound, because it is the difference of two offsets, and offsets have gaps.
  figure("dead", (processor.dead_letters > 0 ? "≤ " : "") + formatCount(processor.dead_letters), processor.dead_letters === 0);
  cells.dead.firstChild.classList.toggle("has-dead-letters", processor.dead_letters > 0);
  draw(chart, processor.history);
  const maximum = Math.max(0, ...processor.history);
  const arrow = { growing: "↗ ", shrinking: "↘ " }[processor.trend] || "";
  write(word, arrow + (maximum > 0 ? "max " + formatCount(maximum) : ""));
  list.replaceChildren(...processor.inputs.map((input) => {
    const item = element("li");
    const lag = input.lag_records === 0 ? "all read" : formatCount(input.lag_records) + " unread" + (input.lag_seconds === null ? "" : ", oldest " + formatDuration(input.lag_seconds));
    item.append(element("code", "", input.topic), element("span", "", lag));
    return item;
  }));
}

function headline(processors) {
  const bad = processors.filter((processor) => processor.is_bad);
  const catchingUp = processors.filter((processor) => processor.status === "catching_up");
  const unknown = processors.filter((processor) => processor.status === "unknown");
  const idle = processors.filter((processor) => processor.status === "idle");
  const shareOf = (part) => (part.length === processors.length ? "All " + part.length + " processors" : part.length + " of " + processors.length + " processors");
  // The first one is the one furthest upstream, which is often the cause of the others.
  const described = (processor) => processor.name + ": " + (STATUS_TEXTS[processor.status] || processor.status).toLowerCase() + ", " + processor.reason;
  if (bad.length === 1) return described(bad[0]);
  if (bad.length > 1) return shareOf(bad) + " need attention; " + described(bad[0]);
  if (catchingUp.length === 1) return described(catchingUp[0]);
  if (unknown.length === 1 && catchingUp.length === 0) return described(unknown[0]);
  if (catchingUp.length > 0) return shareOf(catchingUp) + " are catching up";
  if (unknown.length > 0) return shareOf(unknown) + " have unread records, trend not known yet";
  if (idle.length === processors.length) return "All processors are idle: every record is read";
  return "All processors keep up";
}

function update(report) {
  receivedAt = Date.now();
  sampleIntervalMs = report.sample_interval_ms;
  write(at("log"), report.log);
  write(at("version"), " · " + report.version);
  at("error").hidden = report.error === null;
  write(at("error"), report.error === null ? "" : "The lag cannot be sampled: " + report.error);
  at("processors").hidden = report.processors.length === 0;
  for (const processor of report.processors) show(processor);
  for (const [name, { row, inputs }] of rows) {
    if (report.processors.some((processor) => processor.name === name)) continue;
    row.remove();
    inputs.remove();
    rows.delete(name);
  }
  if (report.processors.length === 0) return;
  newestHeadline = headline(report.processors);
  needsAttention = report.processors.some((processor) => processor.is_bad);
  const unread = report.processors.reduce((sum, processor) => sum + processor.lag_records, 0);
  const oldest = Math.max(0, ...report.processors.map((processor) => (processor.lag_records > 0 ? processor.lag_seconds || 0 : 0)));
  const deadLetters = report.processors.reduce((sum, processor) => sum + processor.dead_letters, 0);
  const parts = [unread === 0 ? "no unread records" : formatCount(unread) + (unread === 1 ? " unread record" : " unread records") + ", the oldest " + formatDuration(oldest) + " old"];
  if (deadLetters > 0) parts.push("at most " + formatCount(deadLetters) + (deadLetters === 1 ? " dead letter" : " dead letters"));
  write(at("detail"), parts.join(" · "));
}

// Shows that samples arrive or, if none arrive, how old the displayed numbers are: in the header, the headline and the title.
function showAge() {
  const age = Date.now() - receivedAt;
  const isStale = receivedAt > 0 && (isDisconnected || age > 3 * sampleIntervalMs);
  document.body.classList.toggle("stale", isStale);
  const state = isStale || (isDisconnected && receivedAt > 0) ? "lost" : receivedAt > 0 ? "live" : "waiting";
  at("link").dataset.state = state;
  const since = formatDuration(Math.floor(age / 1000) || 0.0).replace("0 ms", "0 s");
  write(at("headline"), isStale ? "No new samples for " + since + "; the last one: " + newestHeadline : newestHeadline);
  document.title = isStale ? "⚠ no new samples · Fastbreak" : (needsAttention ? "⚠ " : "") + "Fastbreak";
  write(at("link"), receivedAt === 0 ? "connecting" : state === "live" ? "live, updated every " + formatDuration(sampleIntervalMs / 1000) : "no new samples, the figures are " + since + " old");
}

const source = new EventSource("/events");
source.addEventListener("open", () => { isDisconnected = false; showAge(); });
source.addEventListener("error", () => { isDisconnected = true; showAge(); });
source.addEventListener("report", (event) => {
  const report = JSON.parse(event.data);
  if (report) update(report);
  showAge();
});
setInterval(showAge, 1000);
