// A passage in a panel beside the answers, or over them on a phone; its words become text, never HTML.
import { answerElements } from "../answer_text.js";

// What addresses hold in the place of an id.
export const ANY_ID = "00000000-0000-0000-0000-000000000000";

const panel = document.querySelector("[data-panel]");
const part = (name) => panel.querySelector(`[data-${name}]`);
let opener = null;

part("close").addEventListener("click", () => panel.close());
panel.addEventListener("close", () => {
  opener?.classList.remove("open");
  opener?.focus();
  opener = null;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && panel.open) panel.close();
});
// Only a click on what lies behind it: the panel's own parts are its children.
panel.addEventListener("click", (event) => {
  if (event.target === panel && !isInside(event)) panel.close();
});

export function open(passage, { page, from }) {
  opener?.classList.remove("open");
  opener = from;
  if (from.matches(".cite")) from.classList.add("open");
  part("panel-title").textContent = `${passage.number}. ${titleOf(passage, page.linkTitles)}`;
  part("panel-place").textContent = placeOf(passage, page.linkTitles);
  part("panel-text").replaceChildren(...answerElements(passage.text, () => null));
  part("panel-text").scrollTop = 0;
  point(part("panel-source"), webAddress(passage.document.url));
  point(part("panel-document"), page.documentUrl && documentUrl(passage, page.documentUrl));
  if (!panel.open) show();
  part("close").focus();
}

// `by`: how the version names passages. What a document lacks is replaced by its title, and that by its id.
export function titleOf({ document: { title, url, remote_id: id }, heading }, by) {
  const named = { heading: lastOf(heading), url: webAddress(url) }[by];
  return named || title || id;
}

export function placeOf(passage, by) {
  const title = titleOf(passage, by);
  const parts = by === "document" ? [lastOf(passage.heading)] : [passage.document.title];
  return [...parts.filter((words) => words && words !== title), pagesOf(passage)].filter(Boolean).join(" · ");
}

// The page that is cited; of a passage that is not, all its pages.
function pagesOf({ page, first_page: first, last_page: last, is_cited: isCited }) {
  if (!page) return "";
  return isCited || first === last ? `page ${page}` : `pages ${first}–${last}`;
}

function lastOf(headings) {
  return (headings || "").split(" > ").pop().trim();
}

// Other kinds of addresses, such as javascript:, are no links.
function webAddress(url) {
  return /^https?:\/\//i.test(url || "") ? url : "";
}

function documentUrl(passage, address) {
  const place = new URLSearchParams({ start: passage.start, end: passage.end, hash: passage.content_hash });
  return `${address.replace(ANY_ID, encodeURIComponent(passage.document.id))}?${place}#passage`;
}

function point(link, address) {
  link.hidden = !address;
  if (address) link.href = address;
  else link.removeAttribute("href");
}

function show() {
  if (matchMedia("(max-width: 40rem)").matches) panel.showModal();
  else panel.show();
}

function isInside({ clientX, clientY }) {
  const { left, right, top, bottom } = panel.getBoundingClientRect();
  return clientX >= left && clientX <= right && clientY >= top && clientY <= bottom;
}
