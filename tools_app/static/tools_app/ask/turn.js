// One question with its answer as it comes: text, citations, passages, what it took, or what went wrong.
import { element, read, token } from "../../magnet/requests.js";
import { events } from "../../magnet/event_source.js";
import { answerElements } from "../answer_text.js";
import { takeFeedback } from "./feedback.js";
import { ANY_ID, open, titleOf, placeOf } from "./passages.js";

class SignedOut extends Error {}

export class Turn {
  constructor(talk, question, { again }) {
    this.page = talk.dataset;
    this.opensPassages = "opensPassages" in talk.dataset;
    this.status = talk.querySelector("[data-status]");
    this.question = question;
    this.element = document.querySelector("template[data-turn]").content.firstElementChild.cloneNode(true);
    this.part("asked").textContent = question;
    this.part("retry").addEventListener("click", again);
    this.part("sign-in").href = talk.dataset.signInUrl;
    this.part("copy").addEventListener("click", () => this.copy());
    this.feedback = takeFeedback(this.element, { url: () => talk.dataset.feedbackUrl.replace(ANY_ID, this.traceId) });
  }

  part(name) {
    return this.element.querySelector(`[data-${name}]`);
  }

  async run() {
    this.begin();
    try {
      const response = await this.send();
      for await (const { name, data } of events(response.body)) this.take(name, data);
      if (!this.isOver) this.fail("The answer broke off.");
    } catch (error) {
      if (error.name === "AbortError") this.end("Stopped.");
      else this.fail(sentence(error), { isSignedOut: error instanceof SignedOut });
    } finally {
      this.part("said").classList.remove("writing");
    }
  }

  stop() {
    this.asking?.abort();
  }

  begin() {
    Object.assign(this, { text: "", sentences: [], passages: new Map(), isOver: false, traceId: "", asking: new AbortController() });
    for (const name of ["error", "sources", "quotes", "foot", "said"]) this.part(name).hidden = true;
    this.part("said").replaceChildren();
    this.wait("Looking for passages…");
  }

  async send() {
    const headers = { "Content-Type": "application/json", Accept: "text/event-stream", "X-CSRFToken": token() };
    const body = JSON.stringify({ question: this.question });
    const response = await fetch(this.page.answerUrl, { method: "POST", signal: this.asking.signal, headers, body });
    if (response.status === 401) throw new SignedOut("You are signed out. Sign in again, and ask once more.");
    if (!response.ok) await read(response);
    return response;
  }

  take(name, data) {
    if (name === "started") {
      this.traceId = data.trace_id;
    } else if (name === "passages") {
      this.know(data.passages);
      this.wait(data.passages.length ? "Writing…" : "");
    } else if (name === "text") {
      this.text += data.text;
      this.draw();
    } else if (name === "completed") {
      this.complete(data);
    } else if (name === "error") {
      this.fail(data.detail || data.title);
    }
  }

  know(passages) {
    this.passages = new Map(passages.map((passage) => [passage.number, passage]));
  }

  wait(words) {
    this.part("waiting").textContent = words;
    this.status.textContent = words;
  }

  // At most once for each frame of the screen, however many words arrive.
  draw() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      const said = this.part("said");
      said.hidden = !this.text;
      said.classList.toggle("writing", !this.isOver);
      if (this.text) this.part("waiting").textContent = "";
      said.replaceChildren(...answerElements(this.text, (number) => this.citation(number), this.sentences));
    });
  }

  citation(number) {
    const passage = this.passages.get(number);
    if (!passage) return null;
    const title = titleOf(passage, this.page.linkTitles);
    const attributes = { type: "button", title, "aria-label": `Passage ${number}: ${title}` };
    const button = element("button", { text: String(number), classes: "cite", attributes });
    button.addEventListener("click", () => open(passage, { page: this.page, from: button }));
    return button;
  }

  complete(done) {
    this.text = done.text;
    this.sentences = done.sentences || [];
    this.isOver = true;
    this.traceId = done.trace_id;
    if (done.passages) this.know(done.passages);
    this.draw();
    this.listSources();
    this.part("quotes").hidden = !(done.found && done.is_extractive);
    this.part("facts").replaceChildren(...this.facts(done));
    this.part("foot").hidden = false;
    this.feedback?.begin();
    this.wait("");
    // Whole, once: word by word a screen reader could not follow.
    this.status.textContent = `Answer: ${done.text}`;
  }

  // What the answer cites; where it cites nothing, what it was given.
  listSources() {
    const all = [...this.passages.values()];
    const cited = all.filter((passage) => passage.is_cited);
    const title = this.part("sources-title");
    title.textContent = cited.length ? title.dataset.cited : title.dataset.found;
    this.part("list").replaceChildren(...(cited.length ? cited : all).map((passage) => this.source(passage)));
    this.part("sources").hidden = !all.length;
  }

  source(passage) {
    const button = element(
      "button",
      { attributes: { type: "button" } },
      element("span", { text: String(passage.number), classes: "cite" }),
      element("b", { text: titleOf(passage, this.page.linkTitles) }),
    );
    const place = placeOf(passage, this.page.linkTitles);
    if (place) button.append(element("span", { text: place, classes: "small" }));
    button.addEventListener("click", () => open(passage, { page: this.page, from: button }));
    const item = element("li", { classes: "source" }, button);
    if (this.opensPassages) {
      const text = element("div", { classes: "passage-text", attributes: { tabindex: "0", role: "group", "aria-label": `Passage ${passage.number}` } });
      text.append(...answerElements(passage.text, () => null));
      item.append(text);
    }
    return item;
  }

  facts(done) {
    const time = done.duration_ms < 1000 ? `${Math.round(done.duration_ms)} ms` : `${(done.duration_ms / 1000).toFixed(1)} s`;
    const who = done.found && !done.is_extractive ? `${done.model} · ` : "";
    const parts = [`${who}${time}`];
    if (this.page.traceUrl) {
      const attributes = { href: this.page.traceUrl.replace(ANY_ID, encodeURIComponent(done.trace_id)), target: "_blank", rel: "noopener" };
      parts.push(" · ", element("a", { text: "How it came about", attributes }));
    }
    return parts;
  }

  async copy() {
    const button = this.part("copy");
    const sources = [...this.passages.values()].filter((passage) => passage.is_cited);
    const names = sources.map((passage) => `[${passage.number}] ${titleOf(passage, "document")}`);
    try {
      await navigator.clipboard.writeText([this.text, ...(names.length ? ["", ...names] : [])].join("\n"));
      this.status.textContent = "Copied.";
      button.textContent = "Copied";
      this.feedback?.note({ is_copied: true });
    } catch {
      getSelection().selectAllChildren(this.part("said"));
      button.textContent = "Press Ctrl-C";
    }
  }

  end(words) {
    this.isOver = true;
    this.wait(words);
    this.part("waiting").textContent = words;
    this.part("said").classList.remove("writing");
  }

  fail(said, { isSignedOut = false } = {}) {
    this.end("");
    this.part("reason").textContent = said;
    this.part("error").hidden = false;
    this.part("sign-in").hidden = !isSignedOut;
  }
}

function sentence(error) {
  // What the browser says when nobody answers: "Failed to fetch", "network error".
  if (error instanceof TypeError) return "The server cannot be reached. Check your connection.";
  return error.message;
}
