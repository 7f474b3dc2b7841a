// "Try it": a question over the very path that callers use, streamed, with citations that open their passage.
import { element, read, token } from "../magnet/requests.js";
import { answerElements } from "./answer_text.js";
import { feedbackBar } from "./feedback.js";
import { passageCard, passageUrl } from "./passage_card.js";
import { events } from "../magnet/event_source.js";
import { tellUnsaved } from "../magnet/unsaved.js";

const ANY_ID = "00000000-0000-0000-0000-000000000000";
const panel = document.querySelector("[data-try-it]");
const form = panel.querySelector("[data-ask]");
const question = form.querySelector("textarea");
const seeAs = form.querySelector("[data-see-as]");
const stop = panel.querySelector("[data-stop]");
const hint = panel.querySelector("[data-hint]");
const problem = panel.querySelector("[data-error]");
const result = panel.querySelector("[data-result]");
const answer = panel.querySelector("[data-answer]");
const facts = panel.querySelector("[data-facts]");
const passages = panel.querySelector("[data-passages]");
const passagesTitle = panel.querySelector("[data-passages-title]");
let asking = null;
const opinion = panel.querySelector("[data-opinion]");
let text = "";
let sentences = [];
let cards = new Map();
let isDrawn = true;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(question.value.trim());
});
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
stop.addEventListener("click", () => asking?.abort());
tellUnsaved(panel, document.getElementById(panel.dataset.form));

async function ask(said) {
  if (!said) {
    question.focus();
    return;
  }
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  begin();
  try {
    const response = await send(said, mine.signal);
    for await (const { name, data } of events(response.body)) take(name, data);
    if (!result.dataset.over) fail("The answer broke off. Ask again.");
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message);
  } finally {
    if (asking === mine) end();
  }
}

async function send(said, signal) {
  const version = panel.querySelector("[name=try_version]:checked")?.value;
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream", "X-CSRFToken": token() };
  const groups = seeAs.value.split(",").map((name) => name.trim()).filter(Boolean);
  if (groups.length) headers["Magnet-Groups"] = groups.map(encodeURIComponent).join(",");
  const response = await fetch(panel.dataset.url, {
    method: "POST",
    signal,
    headers,
    body: JSON.stringify(version ? { question: said, version: Number(version) } : { question: said }),
  });
  if (!response.ok) await read(response);
  return response;
}

function begin() {
  text = "";
  sentences = [];
  opinion.replaceChildren();
  cards = new Map();
  answer.replaceChildren();
  facts.replaceChildren(element("span", { text: "Looking for passages…" }));
  passages.replaceChildren();
  passagesTitle.hidden = true;
  problem.hidden = true;
  result.hidden = false;
  delete result.dataset.over;
  answer.classList.add("mg-caret");
  stop.hidden = false;
  hint.textContent = "";
}

function end() {
  asking = null;
  stop.hidden = true;
  answer.classList.remove("mg-caret");
  if (!result.dataset.over) facts.replaceChildren();
}

function take(name, data) {
  if (name === "passages") {
    show(data.passages);
    facts.replaceChildren(element("span", { text: data.passages.length ? "Writing…" : "" }));
  } else if (name === "text") {
    text += data.text;
    draw();
  } else if (name === "completed") {
    text = data.text;
    sentences = data.sentences || [];
    result.dataset.over = "1";
    if (data.passages) show(data.passages);
    draw();
    tell(data);
    opinion.replaceChildren(feedbackBar(data.trace_id, () => data.text));
  } else if (name === "error") {
    fail(data.detail || data.title);
  }
}

// At most once for each frame of the screen, however many words arrive.
function draw() {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    answer.replaceChildren(...answerElements(text, citation, sentences));
  });
}

function citation(number) {
  const card = cards.get(number);
  if (!card) return null;
  const button = element("button", {
    text: String(number),
    classes: "mg-cite",
    attributes: { type: "button", title: card.dataset.title, "aria-label": `Passage ${number}: ${card.dataset.title}` },
  });
  button.addEventListener("click", () => open(card));
  return button;
}

function open(card) {
  for (const other of cards.values()) {
    other.classList.toggle("mg-flash", other === card);
    if (other !== card) other.open = false;
  }
  card.open = true;
  // Not “nearest”: the bar with the buttons lies over the lower edge.
  card.scrollIntoView({ block: "center", behavior: "smooth" });
  card.querySelector("summary").focus({ preventScroll: true });
}

function show(found) {
  const isOpen = new Set([...cards].filter(([, card]) => card.open).map(([number]) => number));
  cards = new Map(found.map((passage) => [passage.number, cardOf(passage)]));
  for (const number of isOpen) if (cards.has(number)) cards.get(number).open = true;
  passages.replaceChildren(...cards.values());
  passagesTitle.hidden = !found.length;
}

function cardOf(passage) {
  return passageCard(passage, { url: documentUrl(passage), isUncited: passage.is_cited === false && Boolean(result.dataset.over) });
}

function documentUrl(passage) {
  return passageUrl(passage, panel.dataset.documentUrl);
}

function tell(done) {
  const spent = Number(done.cost) ? `$${Number(done.cost).toPrecision(2)}` : "$0";
  const parts = [
    `version ${done.version}`,
    ...whoWrote(done),
    doubts(done.sentences || []),
    spent,
    done.duration_ms < 1000 ? `${Math.round(done.duration_ms)} ms` : `${(done.duration_ms / 1000).toFixed(1)} s`,
  ];
  document.dispatchEvent(new CustomEvent("magnet:answered", { detail: done.trace_id }));
  const trace = panel.dataset.traceUrl.replace(ANY_ID, encodeURIComponent(done.trace_id));
  facts.replaceChildren(...parts.filter(Boolean).map((part) => element("span", { text: part })));
  if (trace) {
    const attributes = { href: trace, target: "_blank" };
    facts.append(element("a", { text: "How it came about", classes: "mg-link", attributes }));
  }
  const label = panel.querySelector("[data-extractive]");
  if (label) label.hidden = !isQuoting(done);
}

// Where nothing is found nobody is asked; where passages are quoted there is no model that reads tokens.
function whoWrote(done) {
  if (!done.found) return [];
  if (done.is_extractive) return ["quotes from your documents (no language model)"];
  return [done.model, `${(done.usage.input_tokens + done.usage.output_tokens).toLocaleString("en")} tokens of the model`];
}

function doubts(checked) {
  const count = checked.filter((sentence) => sentence.supported === false).length;
  if (!count) return "";
  return count === 1 ? "1 sentence is not supported" : `${count} sentences are not supported`;
}

function isQuoting(done) {
  return done.found && done.is_extractive;
}

function fail(sentence) {
  result.dataset.over = "1";
  problem.textContent = sentence;
  problem.hidden = false;
  facts.replaceChildren();
  result.hidden = !text;
}
