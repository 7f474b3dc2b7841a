// A passage as a card that opens: its number, document, place and score, its text, and the way into its document.
import { element } from "../magnet/requests.js";
import { answerElements } from "./answer_text.js";

const ANY_ID = "00000000-0000-0000-0000-000000000000";

export function passageCard(passage, { url, isUncited = false }) {
  const title = passage.document.title || passage.document.remote_id;
  const where = [passage.heading, pagesOf(passage)].filter(Boolean).join(" · ");
  const meter = element("meter", { classes: "mg-meter", attributes: { min: 0, max: 1, value: passage.score, title: "Score" } });
  const summary = element(
    "summary",
    {},
    element("b", { text: String(passage.number), classes: "mg-cite" }),
    element("span", { text: title, classes: "mg-clip mg-strong" }),
    element("span", { text: where, classes: "mg-clip mg-faint mg-small" }),
    element("span", { classes: "mg-end mg-row mg-nowrap mg-small" }, passage.score.toFixed(2), meter),
  );
  const link = element("a", { text: "Open in its document", classes: "mg-link", attributes: { href: url, target: "_blank" } });
  return element(
    "details",
    { classes: `mg-passage${isUncited ? " mg-uncited" : ""}`, attributes: { "data-title": title } },
    summary,
    element("div", { classes: "mg-text mg-rendered" }, ...answerElements(passage.text, () => null)),
    element("footer", {}, element("span", { text: scoresOf(passage) }), link),
  );
}

// The page of the document in the admin, at the passage as it was found.
export function passageUrl(passage, pattern) {
  const place = new URLSearchParams({ start: passage.start, end: passage.end, hash: passage.content_hash });
  return `${pattern.replace(ANY_ID, encodeURIComponent(passage.document.id))}?${place}#passage`;
}

function scoresOf({ semantic_score: semantic, word_score: words, rerank_score: reranked }) {
  const said = [`Meaning ${number(semantic)}`, `Words ${number(words)}`];
  if (reranked !== null && reranked !== undefined) said.push(`Reranked ${number(reranked)}`);
  return said.join(" · ");
}

// The page that is cited; of a passage that is not, all its pages.
function pagesOf({ page, first_page: first, last_page: last, is_cited: isCited }) {
  if (!page) return "";
  return isCited || first === last ? `page ${page}` : `pages ${first}–${last}`;
}

export function number(value) {
  return value === null || value === undefined ? "–" : value.toFixed(2);
}
