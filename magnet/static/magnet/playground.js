// The playground of a prompt template: the same values to one or two versions, over the path that callers use.
import { events } from "./event_source.js";
import { element, read, token } from "./requests.js";

const ANY_ID = "00000000-0000-0000-0000-000000000000";
const page = document.querySelector("[data-playground]");
const form = page.querySelector("[data-values]");
const stop = form.querySelector("[data-stop]");
const problem = form.querySelector("[data-error]");
const sides = [...document.querySelectorAll("[data-side]")];
const needs = JSON.parse(document.getElementById("version-needs").textContent);
const inputs = JSON.parse(document.getElementById("test-inputs").textContent);
const choice = page.querySelector("[data-input-choice]");
const nameField = form.querySelector("[data-input-name]");
let running = null;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
stop.addEventListener("click", () => running?.abort());
for (const side of sides) side.querySelector("[data-version]").addEventListener("change", showFields);
choice.addEventListener("change", () => fill(choice.value));
form.querySelector("[data-keep]")?.addEventListener("click", () => attempt(keep));
form.querySelector("[data-forget]")?.addEventListener("click", () => attempt(forget));
showFields();

// -- Values ----------------------------------------------------------------------------------------------------

function versionOf(side) {
  return side.querySelector("[data-version]").value;
}

// A value is asked for only while a chosen version has its variable.
function showFields() {
  const wanted = new Set(sides.flatMap((side) => needs[versionOf(side)] || []));
  for (const field of form.querySelectorAll("[data-field]")) field.hidden = !wanted.has(field.dataset.field);
}

async function values() {
  const given = {};
  for (const field of form.querySelectorAll("[data-type]")) {
    const value = await valueOf(field);
    if (value !== "" && value !== null) given[field.name] = value;
  }
  return given;
}

async function valueOf(field) {
  const { type } = field.dataset;
  if (type === "image") return field.files.length ? dataUrl(field.files[0]) : null;
  if (type === "boolean") return field.value === "" ? null : field.value === "true";
  if (type === "list") return field.value.trim() ? field.value.split("\n").filter((line) => line.trim()) : null;
  return field.value;
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(new Error("The image cannot be read.")));
    reader.readAsDataURL(file);
  });
}

function fill(name) {
  const kept = inputs[name];
  if (!kept) return;
  if (nameField) nameField.value = name;
  const forgetting = form.querySelector("[data-forget]");
  if (forgetting) forgetting.hidden = false;
  for (const field of form.querySelectorAll("[data-type]")) {
    const value = kept[field.name];
    if (field.dataset.type === "image") continue;
    field.value = Array.isArray(value) ? value.join("\n") : (value ?? "").toString();
  }
}

async function keep() {
  const name = nameField.value.trim();
  if (!name) {
    nameField.focus();
    return;
  }
  const kept = await values();
  await send("PUT", name, JSON.stringify({ values: kept }));
  if (!inputs[name]) choice.append(element("option", { text: name }));
  inputs[name] = kept;
  choice.value = name;
  fill(name);
}

async function forget() {
  const name = choice.value;
  if (!name) return;
  await send("DELETE", name);
  delete inputs[name];
  choice.selectedOptions[0].remove();
  choice.value = "";
  form.querySelector("[data-forget]").hidden = true;
}

async function send(method, name, body) {
  const headers = { "Content-Type": "application/json", "X-CSRFToken": token() };
  const response = await fetch(page.dataset.inputsUrl + encodeURIComponent(name), { method, headers, body });
  if (!response.ok) await read(response);
}

async function attempt(work) {
  problem.hidden = true;
  try {
    await work();
  } catch (error) {
    tellProblem(problem, error.message);
  }
}

// -- Runs ------------------------------------------------------------------------------------------------------

async function run() {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  problem.hidden = true;
  stop.hidden = false;
  try {
    const given = await values();
    const chosen = sides.filter(versionOf);
    await Promise.all(chosen.map((side) => runSide(side, only(given, needs[versionOf(side)]), mine.signal)));
  } catch (error) {
    tellProblem(problem, error.message);
  } finally {
    if (running === mine) stop.hidden = true;
  }
}

function only(given, names) {
  return Object.fromEntries(Object.entries(given).filter(([name]) => names.includes(name)));
}

async function runSide(side, variables, signal) {
  const parts = begin(side);
  try {
    const response = await fetch(page.dataset.url, {
      method: "POST",
      signal,
      headers: { "Content-Type": "application/json", Accept: "text/event-stream", "X-CSRFToken": token() },
      body: JSON.stringify({ variables, version: Number(versionOf(side)) }),
    });
    if (!response.ok) await read(response);
    for await (const { name, data } of events(response.body)) take(parts, name, data);
    if (!parts.isOver) throw new Error("The answer broke off. Run it again.");
  } catch (error) {
    if (error.name !== "AbortError") tellProblem(parts.problem, error.message);
  } finally {
    parts.output.classList.remove("mg-caret");
  }
}

function begin(side) {
  const parts = {
    output: side.querySelector("[data-output]"),
    facts: side.querySelector("[data-facts]"),
    problem: side.querySelector("[data-error]"),
    isOver: false,
  };
  side.querySelector("[data-nothing]").hidden = true;
  parts.problem.hidden = true;
  parts.output.hidden = false;
  parts.output.textContent = "";
  parts.output.classList.add("mg-caret");
  parts.facts.replaceChildren(element("span", { text: "Writing…" }));
  return parts;
}

function take(parts, name, data) {
  if (name === "text") {
    parts.output.textContent += data.text;
  } else if (name === "completed") {
    parts.isOver = true;
    parts.output.textContent = data.data === null ? data.text : JSON.stringify(data.data, null, 2);
    tell(parts.facts, data);
  } else if (name === "error") {
    parts.isOver = true;
    // What does not fit is told apart: where texts are not kept, the sentence leaves it out.
    const faults = (data.errors?.answer || []).filter((fault) => !(data.detail || "").includes(fault));
    tellProblem(parts.problem, [data.detail || data.title, ...faults].join(" "));
    parts.facts.replaceChildren();
  }
}

function tell(facts, done) {
  const { input_tokens: input, output_tokens: output } = done.usage;
  const said = [
    done.is_extractive ? "quotes (no language model configured)" : done.model,
    `${input.toLocaleString("en")} + ${output.toLocaleString("en")} tokens`,
    Number(done.cost) ? `$${Number(done.cost).toPrecision(2)}` : "$0",
    done.duration_ms < 1000 ? `${Math.round(done.duration_ms)} ms` : `${(done.duration_ms / 1000).toFixed(1)} s`,
    done.is_repaired ? "its JSON had to be repaired once" : "",
  ];
  facts.replaceChildren(...said.filter(Boolean).map((text) => element("span", { text })));
  if (page.dataset.traceUrl) {
    const href = page.dataset.traceUrl.replace(ANY_ID, encodeURIComponent(done.trace_id));
    facts.append(element("a", { text: "How it came about", classes: "mg-link", attributes: { href, target: "_blank" } }));
  }
}

function tellProblem(place, sentence) {
  place.textContent = sentence;
  place.hidden = false;
}
