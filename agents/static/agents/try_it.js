// "Try it" of an agent: a talk over the very path that callers use, with what happens in each step beside the words.
import { element, read, token } from "../magnet/requests.js";
import { events } from "../magnet/event_source.js";
import { answerElements } from "../tools_app/answer_text.js";
import { passageCard, passageUrl } from "../tools_app/passage_card.js";
import { tellUnsaved } from "../magnet/unsaved.js";

const ANY_ID = "00000000-0000-0000-0000-000000000000";
const panel = document.querySelector("[data-try-agent]");
const form = panel.querySelector("[data-ask]");
const message = form.querySelector("textarea");
const talk = panel.querySelector("[data-talk]");
const stop = panel.querySelector("[data-stop]");
const problem = panel.querySelector("[data-error]");
const welcome = [...talk.children];
const kinds = { greeting: "A greeting", farewell: "A farewell", unclear: "Unclear what is meant", off_topic: "Fits no topic" };
let history = [];
let topic = "";
let approved = new Set();
let asking = null;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const said = message.value.trim();
  if (!said) return message.focus();
  message.value = "";
  talk.append(element("div", { text: said, classes: "ag-said ag-user" }));
  take({ question: said });
});
message.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
stop.addEventListener("click", () => asking?.abort());
panel.querySelector("[data-again]").addEventListener("click", () => {
  asking?.abort();
  history = [];
  topic = "";
  approved = new Set();
  problem.hidden = true;
  talk.replaceChildren(...welcome);
});
panel.querySelector("[data-samples]")?.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  message.value = button.textContent;
  form.requestSubmit();
});
tellUnsaved(panel, document.getElementById(panel.dataset.form));

async function take(turn) {
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  const reply = new Reply(turn);
  stop.hidden = false;
  problem.hidden = true;
  try {
    const response = await send(turn, mine.signal);
    for await (const { name, data } of events(response.body)) reply.take(name, data);
    if (!reply.isOver) fail("The answer broke off. Ask again.");
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message);
  } finally {
    reply.rest();
    if (asking === mine) {
      asking = null;
      stop.hidden = true;
    }
  }
}

async function send(turn, signal) {
  const version = panel.querySelector("[name=try_version]:checked")?.value;
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream", "X-CSRFToken": token() };
  const body = { ...turn, history, topic, approved: [...approved], variables: variables() };
  if (version) body.version = Number(version);
  const response = await fetch(panel.dataset.url, { method: "POST", signal, headers, body: JSON.stringify(body) });
  if (!response.ok) await read(response);
  return response;
}

function variables() {
  const given = {};
  for (const field of panel.querySelectorAll("[data-variable]")) {
    if (field.value !== "") given[field.dataset.variable] = field.dataset.type === "list" ? field.value.split(",").map((part) => part.trim()) : field.value;
  }
  return given;
}

function fail(sentence) {
  problem.textContent = sentence;
  problem.hidden = false;
}

// One turn on the page: the steps, the text, the passages, and what waits for an answer.
class Reply {
  constructor(turn) {
    this.turn = turn;
    this.text = "";
    this.isOver = false;
    this.cards = new Map();
    this.calls = new Map();
    this.waiting = [];
    this.isDrawn = true;
    this.steps = element("div", { classes: "ag-steps", attributes: { "data-steps": "" } });
    this.said = element("div", { classes: "ag-said ag-assistant mg-caret", attributes: { "data-answer": "", hidden: "" } });
    this.after = element("div", { classes: "mg-stack" });
    talk.append(this.steps, this.said, this.after);
  }

  take(name, data) {
    if (name === "topic") this.step("signpost", data.kind === "topic" ? `Topic: ${data.name} (${Math.round(data.confidence * 100)} %)` : kinds[data.kind]);
    else if (name === "tool_call") this.calls.set(data.call_id, this.step("build", `Calls “${data.label}”`, JSON.stringify(data.arguments, null, 2)));
    else if (name === "tool_result") this.result(data);
    else if (name === "passages") this.show(data.passages);
    else if (name === "text") this.write(data.text);
    else if (name === "confirmation") this.waiting.push(data);
    else if (name === "completed") this.complete(data);
    else if (name === "error") {
      this.isOver = true;
      fail(data.detail || data.title);
    }
    talk.scrollTop = talk.scrollHeight;
  }

  step(icon, said, more = "", classes = "") {
    const text = more ? element("details", {}, element("summary", { text: said }), element("pre", { text: more })) : element("span", { text: said });
    const line = element("div", { classes: `ag-step ${classes}` }, element("span", { text: icon, classes: "material-symbols-outlined", attributes: { "aria-hidden": "true" } }), text);
    this.steps.append(line);
    return line;
  }

  result(data) {
    const took = data.duration_ms < 1000 ? `${Math.round(data.duration_ms)} ms` : `${(data.duration_ms / 1000).toFixed(1)} s`;
    const line = this.step(data.is_error ? "error" : "check", data.is_error ? `Went wrong after ${took}` : `Answered in ${took}`, data.text, data.is_error ? "ag-failed" : "");
    this.calls.get(data.call_id)?.after(line);
  }

  write(text) {
    this.text += text;
    this.said.hidden = false;
    if (!this.isDrawn) return;
    this.isDrawn = false;
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.isDrawn = true;
    this.said.replaceChildren(...answerElements(this.text, (number) => this.citation(number)));
    talk.scrollTop = talk.scrollHeight;
  }

  citation(number) {
    const card = this.cards.get(number);
    if (!card) return null;
    const button = element("button", { text: String(number), classes: "mg-cite", attributes: { type: "button", title: card.dataset.title, "aria-label": `Passage ${number}: ${card.dataset.title}` } });
    button.addEventListener("click", () => {
      this.passages.open = true;
      card.open = true;
      card.scrollIntoView({ block: "center", behavior: "smooth" });
    });
    return button;
  }

  show(found) {
    for (const passage of found) this.cards.set(passage.number, passageCard(passage, { url: passageUrl(passage, panel.dataset.documentUrl) }));
    if (!this.passages) {
      this.passages = element("details", { classes: "mg-small" });
      this.after.append(this.passages);
    }
    const title = this.cards.size === 1 ? "1 passage" : `${this.cards.size} passages`;
    this.passages.replaceChildren(element("summary", { text: title }), ...this.cards.values());
  }

  complete(data) {
    this.isOver = true;
    this.text = data.text;
    this.draw();
    topic = data.topic;
    this.tell(data);
    if (data.status === "awaiting_confirmation") this.ask(data.paused);
    else history.push({ role: "user", text: this.turn.question }, { role: "assistant", text: data.text });
  }

  tell(data) {
    const spent = Number(data.cost) ? `$${Number(data.cost).toPrecision(2)}` : "$0";
    const took = data.duration_ms < 1000 ? `${Math.round(data.duration_ms)} ms` : `${(data.duration_ms / 1000).toFixed(1)} s`;
    const who = data.is_extractive ? "quotes (no language model)" : data.model;
    const stopped = data.stopped_by ? [`stopped by the limit of ${data.stopped_by}`] : [];
    const facts = [`version ${data.version}`, who, spent, took, ...stopped].map((text) => element("span", { text }));
    if (panel.dataset.traceUrl) {
      const href = panel.dataset.traceUrl.replace(ANY_ID, encodeURIComponent(data.trace_id));
      facts.push(element("a", { text: "How it came about", classes: "mg-link", attributes: { href, target: "_blank" } }));
    }
    this.after.prepend(element("div", { classes: "mg-row mg-small mg-faint" }, ...facts));
  }

  // Each call that waits, as it will really be made; the turn goes on when all are answered.
  ask(paused) {
    const answers = new Map();
    for (const waits of this.waiting) {
      const card = element("div", { classes: "mg-notice mg-info mg-stack", attributes: { "data-confirmation": waits.call_id } }, element("strong", { text: "May I?" }), element("span", { text: waits.sentence, classes: "mg-break" }));
      const comment = element("input", { classes: "mg-input", attributes: { placeholder: "A comment, if you refuse", "aria-label": "Comment" } });
      const choose = (approve, forGood) => {
        if (forGood) approved.add(waits.action);
        answers.set(waits.call_id, { call_id: waits.call_id, approve, comment: approve ? "" : comment.value });
        card.replaceChildren(element("span", { text: `${approve ? "Approved" : "Refused"}: ${waits.label}` }));
        if (answers.size === this.waiting.length) take({ question: this.turn.question, paused, answers: [...answers.values()] });
      };
      const buttons = [button("Approve", "mg-button mg-primary", () => choose(true)), button("Refuse", "mg-button", () => choose(false))];
      if (waits.may_approve_all) buttons.splice(1, 0, button("Approve from now on", "mg-button", () => choose(true, true)));
      card.append(comment, element("div", { classes: "mg-row" }, ...buttons));
      this.after.append(card);
    }
  }

  rest() {
    this.said.classList.remove("mg-caret");
    if (!this.text) this.said.remove();
  }
}

function button(text, classes, act) {
  const made = element("button", { text, classes, attributes: { type: "button" } });
  made.addEventListener("click", act);
  return made;
}
