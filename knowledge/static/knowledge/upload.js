// Files dropped on the page: sent two at a time, each with its own bar and its own result.
import { element, post, sentenceFor, token } from "../magnet/requests.js";
import { follow } from "./progress.js";

const AT_ONCE = 2;
const RESULTS = { added: "Added", changed: "Replaced", unchanged: "Unchanged" };
const form = document.querySelector("[data-upload]");
const zone = form.querySelector("[data-drop]");
const input = element("input", { attributes: { type: "file", multiple: "", accept: zone.dataset.accept } });
// The theme's script hangs itself on file fields that do not say this, and looks for a text field beside them.
input.hasChangeListener = true;
zone.prepend(input);
const list = document.querySelector("[data-files]");
const summary = document.querySelector("[data-files-summary]");
const maxBytes = Number(form.dataset.maxBytes);
const waiting = [];
// Rows of files that arrived, by the ids of their documents.
const arrived = new Map();
const TONES = { live: "mg-success", stale: "mg-warning", failed: "mg-danger" };
const count = { sending: 0, done: 0, failed: 0, all: 0 };
let isFollowing = false;

input.addEventListener("change", () => {
  add(input.files);
  input.value = "";
});
for (const name of ["dragenter", "dragover"]) {
  zone.addEventListener(name, (event) => {
    event.preventDefault();
    zone.classList.add("mg-over");
  });
}
for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("mg-over"));
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  add(event.dataTransfer.files);
});

// Each file takes along the metadata that stands in the form when it is dropped.
function add(files) {
  document.querySelector("[data-files-card]").hidden = false;
  for (const file of files) {
    const bar = element("i");
    const state = element("span", { text: "Waiting", classes: "mg-badge" });
    const reason = element("span", { classes: "mg-reason mg-error", attributes: { hidden: "" } });
    const name = element("span", { text: file.name, classes: "mg-clip mg-strong", attributes: { title: file.name } });
    list.append(element("li", {}, name, element("span", { classes: "mg-progress" }, bar), state, reason));
    count.all += 1;
    waiting.push({ file, body: new FormData(form), bar, state, reason, name });
  }
  next();
}

function next() {
  summary.textContent = `${count.done} of ${count.all} sent${count.failed ? `, ${count.failed} refused` : ""}`;
  while (count.sending < AT_ONCE && waiting.length) {
    const item = waiting.shift();
    count.sending += 1;
    send(item)
      .then((result) => settle(item, RESULTS[result.result] || result.result, result.document))
      .catch((error) => refuse(item, error.message))
      .finally(() => {
        count.sending -= 1;
        next();
      });
  }
}

function settle(item, label, document) {
  count.done += 1;
  if (document) arrived.set(document, item);
  item.bar.style.width = "100%";
  item.state.textContent = label;
  item.state.className = "mg-badge mg-info";
  if (!isFollowing) {
    isFollowing = true;
    followToOutcomes();
  }
}

// Files that arrive while one run ends are waited for as well.
async function followToOutcomes() {
  let known;
  try {
    do {
      if (known !== undefined) await new Promise((wake) => setTimeout(wake, 1000));
      known = arrived.size;
      await follow();
      await showOutcomes();
    } while (arrived.size > known || count.sending);
  } catch (error) {
    summary.textContent = error.message;
  } finally {
    isFollowing = false;
  }
}

async function showOutcomes() {
  const body = new FormData();
  body.append("documents", [...arrived.keys()].join(","));
  const { documents } = await post(form.dataset.outcomes, body);
  for (const [id, outcome] of Object.entries(documents)) showOutcome(arrived.get(id), outcome);
  const states = Object.values(documents).map((outcome) => outcome.state);
  const live = states.filter((state) => state === "live").length;
  const failed = states.filter((state) => state === "failed" || state === "stale").length;
  const waits = arrived.size - live - failed;
  const parts = [`${live} live`, failed && `${failed} failed`, waits && `${waits} not yet`, count.failed && `${count.failed} refused`];
  const said = `${waits ? "So far" : "Finished"}: ${parts.filter(Boolean).join(", ")}.`;
  const link = element("a", { text: "See why", classes: "mg-link", attributes: { href: form.dataset.failed } });
  summary.replaceChildren(said, ...(failed ? [" ", link] : []));
  const sentence = document.querySelector("[data-sentence]");
  if (sentence && !waits) sentence.textContent = said;
}

function showOutcome(item, { state, label, reason, url }) {
  item.state.textContent = label;
  item.state.className = `mg-badge ${TONES[state] || "mg-info"}`;
  item.name.replaceChildren(element("a", { text: item.file.name, classes: "mg-link", attributes: { href: url } }));
  item.reason.textContent = reason;
  item.reason.hidden = !reason;
}

function refuse(item, sentence) {
  count.failed += 1;
  item.bar.style.width = "0";
  item.state.textContent = "Refused";
  item.state.className = "mg-badge mg-danger";
  item.reason.textContent = sentence;
  item.reason.hidden = false;
}

// XMLHttpRequest, because fetch does not tell how much has been sent.
function send({ file, body, bar, state }) {
  if (file.size > maxBytes) return Promise.reject(new Error(`Larger than ${Math.round(maxBytes / 1048576)} MB. Split it.`));
  state.textContent = "Sending";
  state.className = "mg-badge mg-info";
  body.append("file", file, file.name);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", form.dataset.upload);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRFToken", token());
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) bar.style.width = `${(100 * event.loaded) / event.total}%`;
    });
    request.addEventListener("load", () => {
      const answer = request.response || {};
      if (request.status < 400) resolve(answer);
      else reject(new Error(answer.detail || sentenceFor(request.status)));
    });
    request.addEventListener("error", () => reject(new Error("The connection broke. Drop the file again.")));
    request.send(body);
  });
}
