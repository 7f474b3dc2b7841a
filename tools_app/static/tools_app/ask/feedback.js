// Whether an answer helped: a thumb counts at once, reason and comment may follow.
import { read, token } from "../../magnet/requests.js";

// Null where the tool does not ask.
export function takeFeedback(turn, { url }) {
  const form = turn.querySelector("[data-feedback]");
  if (!form) return null;
  const thumbs = [...turn.querySelectorAll("[data-rate]")];
  const reasons = form.querySelector("[data-reasons]");
  const thanks = turn.querySelector("[data-thanks]");
  let rating = "";

  const note = async (said) => {
    const headers = { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token() };
    return read(await fetch(url(), { method: "POST", headers, body: JSON.stringify(said) }));
  };
  const tell = async (said, words) => {
    try {
      await note(said);
      thanks.textContent = words;
      return true;
    } catch (error) {
      thanks.textContent = `Your feedback was not kept: ${error.message}`;
      return false;
    }
  };
  const show = () => {
    for (const thumb of thumbs) thumb.setAttribute("aria-pressed", String(thumb.dataset.rate === rating));
  };

  for (const thumb of thumbs) {
    thumb.addEventListener("click", async () => {
      const before = rating;
      rating = thumb.dataset.rate;
      show();
      reasons.hidden = rating === "like";
      if (await tell({ rating }, "Thank you.")) {
        form.hidden = false;
      } else {
        rating = before;
        show();
      }
    });
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { reason, comment } = form.elements;
    const said = { rating, comment: comment.value.trim() };
    if (rating === "dislike" && reason.value) said.reason = reason.value;
    if (await tell(said, "Thank you. Those who look after the answers will read it.")) form.hidden = true;
  });
  form.querySelector("[data-cancel]").addEventListener("click", () => {
    form.hidden = true;
  });

  const begin = () => {
    rating = "";
    form.hidden = true;
    form.reset();
    thanks.textContent = "";
    show();
  };
  // Beside what a person does: they need not hear of it when it fails.
  return { begin, note: (said) => note(said).catch(() => {}) };
}
