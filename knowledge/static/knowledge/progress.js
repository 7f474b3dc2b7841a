// The bar of a sync: asked for each second while a run is unfinished; afterwards the page shows the result.
import { get } from "../magnet/requests.js";

const EACH_MS = 1000;
const card = document.querySelector("[data-progress]");

export function show(run) {
  card.hidden = false;
  card.querySelector("[data-label]").textContent = run.label;
  card.querySelector("[data-sentence]").textContent = run.sentence;
  const bar = card.querySelector("[data-bar]");
  bar.classList.toggle("mg-unknown", run.percent === null && !run.is_finished);
  bar.classList.toggle("mg-stuck", run.is_stuck);
  const percent = run.is_finished ? 100 : run.percent;
  if (percent !== null) {
    bar.setAttribute("aria-valuenow", percent);
    bar.firstElementChild.style.width = `${percent}%`;
  }
}

// Follows the present run to its end; tells the page with an event when it is over.
export async function follow() {
  let watched = card.dataset.run;
  for (;;) {
    try {
      const { run } = await get(card.dataset.progress);
      if (run) {
        watched = watched || run.id;
        show(run);
        if (run.is_finished || run.is_waiting) {
          card.dispatchEvent(new CustomEvent("over", { detail: run, bubbles: true }));
          return;
        }
      }
    } catch (error) {
      card.querySelector("[data-sentence]").textContent = error.message;
    }
    await new Promise((wake) => setTimeout(wake, EACH_MS));
  }
}

if (card && !card.hidden && !document.querySelector("[data-log]") && !card.querySelector("form[action*=approve]")) {
  // The numbers around the bar are those of the moment when the page was made.
  card.addEventListener("over", () => {
    if (!document.querySelector("[data-upload]")) location.reload();
  });
  follow();
}
