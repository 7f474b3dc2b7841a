// What somebody thinks of an answer: thumbs, a reason where it was not good, a comment, and that it was copied.
import { element, read, token } from "../magnet/requests.js";

const REASONS = [
  ["", "Why?"],
  ["wrong", "It is wrong"],
  ["incomplete", "Something is missing"],
  ["not_found", "It should have found something"],
  ["outdated", "It is out of date"],
  ["wrong_source", "It cites the wrong place"],
  ["unclear", "It is hard to understand"],
  ["other", "Something else"],
];

// The bar for one answer; `answer()` is its text.
export function feedbackBar(traceId, answer) {
  const said = element("span", { classes: "mg-small mg-faint", attributes: { "aria-live": "polite" } });
  const give = async (given, thanks) => {
    try {
      await send(traceId, given);
      said.textContent = thanks;
    } catch (error) {
      said.textContent = error.message;
    }
  };
  const more = whyNot(give);
  const like = thumb("thumb_up", "Good answer");
  const dislike = thumb("thumb_down", "Not a good answer");
  const choose = (chosen) => {
    for (const button of [like, dislike]) button.setAttribute("aria-pressed", String(button === chosen));
    more.hidden = chosen !== dislike;
    give({ rating: chosen === like ? "like" : "dislike" }, "Thank you.");
  };
  like.addEventListener("click", () => choose(like));
  dislike.addEventListener("click", () => choose(dislike));
  const copy = thumb("content_copy", "Copy the answer");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(answer());
    give({ is_copied: true }, "Copied.");
  });
  return element("div", { classes: "mg-stack", attributes: { "data-feedback": "" } }, element("div", { classes: "mg-row" }, like, dislike, copy, said), more);
}

async function send(traceId, given) {
  const headers = { "Content-Type": "application/json", "X-CSRFToken": token() };
  return read(await fetch(`/api/traces/${encodeURIComponent(traceId)}/feedback`, { method: "POST", headers, body: JSON.stringify(given) }));
}

function thumb(icon, label) {
  const attributes = { type: "button", title: label, "aria-label": label };
  const mark = element("span", { text: icon, classes: "material-symbols-outlined", attributes: { "aria-hidden": "true" } });
  return element("button", { classes: "mg-button mg-plain", attributes }, mark);
}

function whyNot(give) {
  const options = REASONS.map(([value, text]) => element("option", { text, attributes: { value } }));
  const reason = element("select", { classes: "mg-input mg-select", attributes: { "aria-label": "Why not?" } }, ...options);
  const comment = element("input", { classes: "mg-input", attributes: { maxlength: 5000, placeholder: "What would have been right?", "aria-label": "Comment" } });
  reason.addEventListener("change", () => give({ rating: "dislike", reason: reason.value }, "Noted."));
  comment.addEventListener("change", () => give({ comment: comment.value }, "Noted."));
  const box = element("div", { classes: "mg-row" }, reason, comment);
  box.hidden = true;
  return box;
}
