// The text of an answer as elements: paragraphs, lists, tables, bold, code and citations. Text becomes text, never HTML.
import { element } from "../magnet/requests.js";

// Where a doubtful sentence begins (with its number) and ends: characters that no text has.
const BEGIN = "\uE000";
const MIDDLE = "\uE001";
const END = "\uE002";
const MARKS = /\uE000\d+\uE001|\uE002/g;
const ROW = /^(?:\uE000(\d+)\uE001)?\s*\|(.*)\|\s*\uE002?\s*$/;
const RULE = /^\s*\|(?:\s*:?-+:?\s*\|)+\s*$/;
const INLINE = /\*\*([^*\n]+)\*\*|`([^`\n]+)`|\[(\d{1,3})\]|\uE000(\d+)\uE001|(\uE002)/g;

// Calls `cite(number)` for the element of a citation; it returns null for a number that stands for no passage.
// Of `sentences`, as an answer has them, those that are not supported are underlined, with the reason on hover.
export function answerElements(said, cite, sentences = []) {
  const text = marked(said, sentences);
  const reasons = sentences.map((sentence) => sentence.reason);
  const blocks = [];
  let list = null;
  let lines = [];
  let rows = [];
  const endParagraph = () => {
    if (lines.length) blocks.push(element("p", {}, ...inline(lines.join("\n"), cite, reasons)));
    if (rows.length) blocks.push(table(rows, cite, reasons));
    lines = [];
    rows = [];
  };
  for (const line of text.split("\n")) {
    if (ROW.test(line)) {
      if (!rows.length) endParagraph();
      rows.push(line);
      list = null;
      continue;
    }
    if (rows.length) endParagraph();
    const item = /^\s*(?:([-*•])|\d+[.)])\s+(.*)$/.exec(line);
    if (item) {
      endParagraph();
      const tag = item[1] ? "ul" : "ol";
      if (!list || list.localName !== tag) {
        list = element(tag);
        blocks.push(list);
      }
      list.append(element("li", {}, ...inline(item[2], cite, reasons)));
    } else if (!line.trim()) {
      endParagraph();
      list = null;
    } else {
      list = null;
      const heading = /^#{1,6}\s+(.*)$/.exec(line);
      if (heading) {
        endParagraph();
        blocks.push(element("p", {}, element("strong", {}, ...inline(heading[1], cite, reasons))));
      } else {
        lines.push(line);
      }
    }
  }
  endParagraph();
  return blocks;
}

// Rows above a rule are its header; of a table that was cut there may be none.
function table(rows, cite, reasons) {
  const header = rows.length > 1 && RULE.test(rows[1]) ? [rows[0]] : [];
  const body = rows.slice(header.length).filter((row) => !RULE.test(row));
  const part = (tag, cell, lines) =>
    element(tag, {}, ...lines.map((line) => element("tr", {}, ...cells(line).map((text) => element(cell, {}, ...inline(text, cite, reasons))))));
  const made = element("table", {}, ...(header.length ? [part("thead", "th", header)] : []), part("tbody", "td", body));
  // A wide one scrolls, by the keyboard as well.
  return element("div", { classes: "mg-cells", attributes: { tabindex: "0", role: "group", "aria-label": "Table" } }, made);
}

// A row that is not supported is underlined in each of its cells.
function cells(line) {
  const [, doubt, inside] = ROW.exec(line);
  const texts = inside.split(/(?<!\\)\|/).map((text) => text.trim().replaceAll("\\|", "|"));
  return doubt === undefined ? texts : texts.map((text) => text && `${BEGIN}${doubt}${MIDDLE}${plain(text)}${END}`);
}

function inline(text, cite, reasons) {
  const parts = [];
  let into = parts;
  let from = 0;
  const end = () => {
    if (into !== parts) parts.push(doubtful(into));
    into = parts;
  };
  for (const match of text.matchAll(INLINE)) {
    into.push(...broken(text.slice(from, match.index)));
    from = match.index + match[0].length;
    if (match[1]) into.push(element("strong", { text: plain(match[1]) }));
    else if (match[2]) into.push(element("code", { text: plain(match[2]) }));
    else if (match[3]) into.push(cite(Number(match[3])) || match[0]);
    else end();
    if (match[4]) into = Object.assign([], { reason: reasons[Number(match[4])] });
  }
  into.push(...broken(text.slice(from)));
  end();
  return parts;
}

// Places are counted in characters as people see them, not in the halves that JavaScript counts.
function marked(text, sentences) {
  const letters = Array.from(plain(text));
  sentences.forEach((sentence, number) => {
    if (sentence.supported !== false || sentence.start >= sentence.end || sentence.end > letters.length) return;
    letters[sentence.start] = `${BEGIN}${number}${MIDDLE}${letters[sentence.start]}`;
    letters[sentence.end - 1] += END;
  });
  return letters.join("");
}

function plain(text) {
  return text.replace(MARKS, "");
}

function doubtful(parts) {
  const attributes = { title: `Not supported by what it cites. ${parts.reason || ""}`.trim(), tabindex: "0" };
  return element("span", { classes: "mg-unsupported", attributes }, ...parts);
}

function broken(text) {
  return text.split("\n").flatMap((line, number) => (number ? [document.createElement("br"), line] : [line]));
}
