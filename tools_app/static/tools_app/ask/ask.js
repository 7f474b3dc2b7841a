// The ask page: questions over the very path that callers use, one below the other, with passages beside them.
import { Turn } from "./turn.js";

const talk = document.querySelector("[data-talk]");
const form = talk.querySelector("[data-ask]");
const question = form.querySelector("[data-question]");
const send = form.querySelector("[data-send]");
const stop = form.querySelector("[data-stop]");
const turns = talk.querySelector("[data-turns]");
let current = null;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(question.value.trim());
});
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
stop.addEventListener("click", () => current?.stop());
for (const button of talk.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", () => ask(button.textContent.trim()));
}

function ask(said) {
  if (!said || current) {
    question.focus();
    return;
  }
  const turn = new Turn(talk, said, { again: () => run(turn) });
  turns.append(turn.element);
  question.value = "";
  question.placeholder = question.dataset.next;
  run(turn);
}

// One question at a time; what was asked before stays above.
async function run(turn) {
  if (current) return;
  current = turn;
  show({ isAsking: true });
  turn.element.scrollIntoView({ block: "start", behavior: calmly() });
  try {
    await turn.run();
  } finally {
    current = null;
    show({ isAsking: false });
    // Not on phones, where the keyboard would cover the answer.
    if (matchMedia("(hover: hover)").matches && document.activeElement === document.body) question.focus();
  }
}

function show({ isAsking }) {
  if (isAsking && document.activeElement === send) question.focus();
  send.hidden = isAsking;
  stop.hidden = !isAsking;
}

function calmly() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
}
