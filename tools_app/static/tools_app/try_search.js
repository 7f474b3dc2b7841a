// "Try it" of a retrieval tool: a question over the very path that callers use; the passages, and what each stage did.
import { element, get, read, token } from "../magnet/requests.js";
import { number, passageCard, passageUrl } from "./passage_card.js";
import { tellUnsaved } from "../magnet/unsaved.js";

const ANY_ID = "00000000-0000-0000-0000-000000000000";
const STAGES = {
  language: "Language of the question",
  rewrite: "A whole question",
  queries: "Other wordings",
  translate: "Translation",
  filter: "Filter read from the question",
  search: "Search",
  fuse: "All wordings together",
  boosts: "What counts more",
  minimum_score: "Minimum score",
  per_document: "At most of one document",
  rerank: "Reranking",
  passages: "Passages",
  neighbours: "What stands around",
  budget: "Room for passages",
};
// A trace is written a moment after its search.
const WRITTEN_AFTER_MS = 1200;
const panel = document.querySelector("[data-try-search]");
const form = panel.querySelector("[data-ask]");
const question = form.querySelector("textarea");
const hint = panel.querySelector("[data-hint]");
const problem = panel.querySelector("[data-error]");
const result = panel.querySelector("[data-result]");
const types = JSON.parse(document.getElementById("try_filter_types").textContent);
let asking = null;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  search(question.value.trim());
});
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
tellUnsaved(panel, document.getElementById(panel.dataset.form));

async function search(said) {
  if (!said) {
    question.focus();
    return;
  }
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  problem.hidden = true;
  hint.textContent = "Looking…";
  try {
    show(await read(await send(said, mine.signal)));
    hint.textContent = "";
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message);
  }
}

function send(said, signal) {
  const version = panel.querySelector("[name=try_version]:checked")?.value;
  const headers = { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token() };
  const groups = panel.querySelector("[data-see-as]").value.split(",").map((name) => name.trim()).filter(Boolean);
  if (groups.length) headers["Magnet-Groups"] = groups.map(encodeURIComponent).join(",");
  const body = { query: said };
  if (version) body.version = Number(version);
  const filter = filterOf([...panel.querySelectorAll("[data-filter-row]")]);
  if (filter) body.filter = filter;
  return fetch(panel.dataset.url, { method: "POST", signal, headers, body: JSON.stringify(body) });
}

// The rows below the question as a filter of the API; null without one.
function filterOf(rows) {
  const conditions = [];
  for (const row of rows) {
    const [field, comparison, value] = ["field", "comparison", "value"].map((name) => row.querySelector(`[data-${name}]`).value.trim());
    if (field && (value || ["exists", "missing"].includes(comparison))) conditions.push({ [field]: condition(field, comparison, value) });
  }
  return conditions.length ? { and: conditions } : null;
}

function condition(field, comparison, value) {
  if (comparison === "exists" || comparison === "missing") return { exists: comparison === "exists" };
  const kinds = types[field.replace(/^metadata\./, "")] || ["text"];
  if (comparison === "in") return { in: value.split(",").map((part) => part.trim()).filter(Boolean).map((part) => typed(part, kinds)) };
  return { [comparison]: typed(value, kinds) };
}

function typed(value, kinds) {
  if (kinds.includes("text")) return value;
  if (kinds.includes("boolean") && /^(yes|no|true|false)$/i.test(value)) return /^(yes|true)$/i.test(value);
  if (kinds.includes("number") && value !== "" && Number.isFinite(Number(value))) return Number(value);
  return value;
}

function fail(sentence) {
  hint.textContent = "";
  problem.textContent = sentence;
  problem.hidden = false;
  result.hidden = true;
}

// -- What was found ---------------------------------------------------------------------------------------------------

function show(found) {
  const parts = [facts(found)];
  if (found.queries.join() !== question.value.trim()) parts.push(queries(found));
  if (found.documents_in_scope !== null) parts.push(scope(found));
  parts.push(...(found.passages.length ? found.passages.map(card) : [element("p", { text: "Nothing was found.", classes: "mg-strong" })]));
  parts.push(stages(found));
  result.replaceChildren(...parts);
  result.hidden = false;
  document.dispatchEvent(new CustomEvent("magnet:answered", { detail: found.trace_id }));
}

function facts(found) {
  const took = found.duration_ms < 1000 ? `${Math.round(found.duration_ms)} ms` : `${(found.duration_ms / 1000).toFixed(1)} s`;
  const count = found.passages.length === 1 ? "1 passage" : `${found.passages.length} passages`;
  const spent = Number(found.cost) ? `$${Number(found.cost).toPrecision(2)}` : "$0";
  const said = [`version ${found.version}`, count, spent, took].map((text) => element("span", { text }));
  if (panel.dataset.traceUrl) {
    const href = panel.dataset.traceUrl.replace(ANY_ID, encodeURIComponent(found.trace_id));
    said.push(element("a", { text: "How it came about", classes: "mg-link", attributes: { href, target: "_blank" } }));
  }
  return element("div", { classes: "mg-row mg-small mg-faint" }, ...said);
}

function queries(found) {
  return element("p", { text: `Searched with: ${found.queries.map((query) => `“${query}”`).join(", ")}`, classes: "mg-small mg-break" });
}

function scope(found) {
  const n = found.documents_in_scope;
  const said = n === 1 ? "The filter leaves 1 document." : `The filter leaves ${n.toLocaleString("en")} documents.`;
  return element("p", { text: said, classes: "mg-small mg-strong", attributes: { role: "status", "data-scope": "" } });
}

function card(passage) {
  return passageCard(passage, { url: passageUrl(passage, panel.dataset.documentUrl) });
}

// -- What each stage did ----------------------------------------------------------------------------------------------

function stages(found) {
  const head = ["Stage", "Kept", "Dropped", ""].map((text) => element("th", { text, attributes: { scope: "col" } }));
  const rows = found.stages.flatMap((stage) => stageRows(stage, found.trace_id));
  const table = element("table", { classes: "mg-table mg-stages" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
  return element("div", { attributes: { "data-stages": "" } }, element("h3", { text: "Stage by stage", classes: "mg-h2" }), element("div", { classes: "mg-scroll" }, table));
}

function stageRows(stage, trace) {
  const below = element("tr", { attributes: { hidden: "" } }, element("td", { attributes: { colspan: 4 } }));
  const last = element("td", { classes: "mg-small" });
  if (stage.dropped && panel.dataset.droppedUrl) last.append(whichButton(stage, trace, below));
  const name = element("td", {}, element("span", { text: STAGES[stage.name] || stage.name, classes: "mg-strong" }));
  if (stage.said) name.append(element("div", { text: stage.said, classes: `mg-small ${stage.failed ? "mg-strong" : "mg-faint"}` }));
  const numbers = [stage.kept, stage.dropped].map((n) => element("td", { text: n.toLocaleString("en") }));
  return [element("tr", { attributes: { "data-stage": stage.name } }, name, ...numbers, last), below];
}

function whichButton(stage, trace, below) {
  const button = element("button", { text: "Which?", classes: "mg-link", attributes: { type: "button" } });
  button.addEventListener("click", async () => {
    below.hidden = !below.hidden;
    if (below.hidden || below.dataset.asked) return;
    below.dataset.asked = "1";
    below.firstChild.replaceChildren(...(await which(stage.name, trace)));
  });
  return button;
}

async function which(stage, trace) {
  try {
    const told = await dropped(trace);
    const rows = told.stages[stage] || [];
    const lines = rows.map((row) =>
      element("li", {}, `rank ${row.rank} · ${number(row.score)} · `, element("a", { text: row.title, classes: "mg-link", attributes: { href: row.url, target: "_blank" } }), row.heading ? ` · ${row.heading}` : ""),
    );
    const more = told.counts[stage] > rows.length ? [element("li", { text: `and ${told.counts[stage] - rows.length} more`, classes: "mg-faint" })] : [];
    return [element("ul", { classes: "mg-small mg-break" }, ...lines, ...more)];
  } catch (error) {
    return [element("span", { text: error.message, classes: "mg-small" })];
  }
}

async function dropped(trace) {
  const url = `${panel.dataset.droppedUrl}?trace=${encodeURIComponent(trace)}`;
  const response = await fetch(url, { headers: { Accept: "application/json" } });
  if (response.status !== 404) return read(response);
  await new Promise((resolve) => setTimeout(resolve, WRITTEN_AFTER_MS));
  return get(url);
}
