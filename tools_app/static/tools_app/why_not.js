// "Why not this document?": asks the API at which stage a document dropped out, and shows it with the setting behind it.
import { element, get, read, token } from "../magnet/requests.js";

const box = document.querySelector("[data-why-not]");
const form = box.querySelector("[data-why]");
const named = form.querySelector("input[list]");
const options = form.querySelector("datalist");
const problem = box.querySelector("[data-why-error]");
const answer = box.querySelector("[data-why-answer]");
// What the stages are called above the reason.
const STAGES = {
  cited: "Cited",
  found: "Found",
  not_cited: "In the prompt, not cited",
  choose: "Several documents",
  never_synced: "Never synced",
  synced_after: "Synced after this answer",
  changed_since: "Changed since",
  pending: "Not indexed yet",
  source: "Source not searched",
  permission: "Not for this person",
  search: "Ranked too low",
  not_recorded: "Not recorded",
  per_document: "Cap for one document",
  budget: "Token budget",
  passages: "Number of passages",
};
// What a link says where it leads to something else than a setting of the tool.
const ACTIONS = {
  language_model: "Connect a language model",
  never_synced: "See the sources, to sync one or to upload it",
};
const WAIT_MS = 200;
const WRITTEN_AFTER_MS = 1200;
let typing = 0;

// Beside "Try it" the box appears with the first answer.
document.addEventListener("magnet:answered", ({ detail }) => {
  box.dataset.trace = detail;
  box.hidden = false;
  answer.hidden = true;
  problem.hidden = true;
});
named.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(suggest, WAIT_MS);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  explain(named.value.trim());
});

async function suggest() {
  const said = named.value.trim();
  if (!said || [...options.children].some((option) => option.value === said)) return;
  try {
    const found = await get(`${url("documents")}?${new URLSearchParams({ search: said.slice(0, 200) })}`);
    options.replaceChildren(...found.map((row) => element("option", { text: row.remote_id, attributes: { value: row.title } })));
  } catch {
    // Whoever may not read titles types them.
    options.replaceChildren();
  }
}

async function explain(said) {
  if (!said) {
    named.focus();
    return;
  }
  problem.hidden = true;
  try {
    show(await ask(said));
  } catch (error) {
    answer.hidden = true;
    problem.textContent = error.message;
    problem.hidden = false;
  }
}

// A trace is written a moment after its answer.
async function ask(said) {
  const send = () =>
    fetch(url("explain"), {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token() },
      body: JSON.stringify({ document: said }),
    });
  let response = await send();
  if (response.status === 404) {
    await new Promise((resolve) => setTimeout(resolve, WRITTEN_AFTER_MS));
    response = await send();
  }
  return read(response);
}

function url(verb) {
  return `/api/traces/${encodeURIComponent(box.dataset.trace)}/${verb}`;
}

function show(told) {
  const parts = [heading(told), element("p", { text: told.reason, classes: "mg-strong mg-break", attributes: { "data-why-reason": "" } })];
  if (told.setting_url) parts.push(link(told));
  if (told.next_setting_url) parts.push(next(told));
  if (told.documents.length) parts.push(choices(told.documents));
  if (told.funnel.length) parts.push(funnel(told.funnel));
  if (told.facts.length) parts.push(facts(told.facts));
  answer.replaceChildren(...parts);
  answer.hidden = false;
  answer.scrollIntoView({ block: "nearest", behavior: "smooth" });
}

function heading({ stage, document: found }) {
  const tone = stage === "cited" || stage === "found" ? "mg-live" : "mg-pending";
  const name = found ? element("span", { text: found.title || found.remote_id, classes: "mg-clip mg-faint" }) : "";
  return element("div", { classes: "mg-row mg-nowrap" }, element("span", { text: words(stage), classes: `mg-badge ${tone}` }), name);
}

function words(stage) {
  const plain = stage.replaceAll("_", " ");
  return STAGES[stage] || plain.charAt(0).toUpperCase() + plain.slice(1);
}

function link({ stage, setting, setting_url: address }) {
  const text = ACTIONS[setting] || ACTIONS[stage] || `Change this: ${setting.replaceAll("_", " ")}`;
  return element("p", {}, element("a", { text, classes: "mg-link", attributes: { href: address, "data-why-setting": "" } }));
}

function next({ next_setting: setting, next_setting_url: address }) {
  const text = `And then this: ${setting.replaceAll("_", " ")}`;
  return element("p", {}, element("a", { text, classes: "mg-link", attributes: { href: address, "data-why-next": "" } }));
}

function choices(documents) {
  return element("ul", { classes: "mg-stack mg-small" }, ...documents.map(choice));
}

function choice(row) {
  const button = element("button", { text: row.title || row.remote_id, classes: "mg-link", attributes: { type: "button" } });
  button.addEventListener("click", () => {
    named.value = row.title || row.remote_id;
    explain(row.id);
  });
  return element("li", {}, button, element("span", { text: ` ${row.source} · ${row.remote_id}`, classes: "mg-faint" }));
}

// "812 in the sources → 100 weighed → 5 passages"
function funnel(steps) {
  const said = steps.map(({ count, label }) => `${count.toLocaleString("en")} ${label}`).join(" → ");
  return element("p", { text: said, classes: "mg-small mg-faint mg-break", attributes: { "data-why-funnel": "" } });
}

function facts(rows) {
  const pairs = rows.flatMap(({ name, value }) => [element("dt", { text: name }), element("dd", { text: value })]);
  return element("dl", { classes: "mg-facts mg-small" }, ...pairs);
}
