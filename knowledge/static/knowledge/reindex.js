// The tab "Index": the bar of a generation under construction, and one more row for each question that is typed in.
import { get } from "../magnet/requests.js";

const EACH_MS = 1000;
const MOVING = ["building", "switching"];
const card = document.querySelector("[data-index-progress]");

function show(index) {
  card.querySelector("[data-sentence]").textContent = index.sentence;
  const bar = card.querySelector("[data-bar]");
  bar.classList.toggle("mg-stuck", index.is_stuck);
  bar.setAttribute("aria-valuenow", index.percent);
  bar.firstElementChild.style.width = `${index.percent}%`;
}

// Until the stage is another one: then the buttons are others, too.
async function follow() {
  for (;;) {
    await new Promise((wake) => setTimeout(wake, EACH_MS));
    try {
      const { index } = await get(card.dataset.indexProgress);
      const isOther = !index || index.stage !== card.dataset.stage || index.is_awaited !== Boolean(card.dataset.awaited);
      if (isOther) return location.reload();
      show(index);
    } catch (error) {
      card.querySelector("[data-sentence]").textContent = error.message;
    }
  }
}

if (card && (MOVING.includes(card.dataset.stage) || card.dataset.awaited)) follow();

const questions = document.querySelector("[data-questions]");
questions?.addEventListener("input", () => {
  const rows = questions.children;
  const last = rows[rows.length - 1];
  if (!last.querySelector("input").value || rows.length >= Number(questions.dataset.most)) return;
  const another = last.cloneNode(true);
  for (const field of another.querySelectorAll("input")) field.value = "";
  questions.append(another);
});
