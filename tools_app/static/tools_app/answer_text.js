// The text of an answer as elements: paragraphs, lists, bold, code and citations. Text becomes text, never HTML.
import { element } from "../magnet/requests.js";

const INLINE = /\*\*([^*\n]+)\*\*|`([^`\n]+)`|\[(\d{1,3})\]/g;

// Calls `cite(number)` for the element of a citation; it returns null for a number that stands for no passage.
export function answerElements(text, cite) {
  const blocks = [];
  let list = null;
  let lines = [];
  const endParagraph = () => {
    if (lines.length) blocks.push(element("p", {}, ...inline(lines.join("\n"), cite)));
    lines = [];
  };
  for (const line of text.split("\n")) {
    const item = /^\s*(?:([-*•])|\d+[.)])\s+(.*)$/.exec(line);
    if (item) {
      endParagraph();
      const tag = item[1] ? "ul" : "ol";
      if (!list || list.localName !== tag) {
        list = element(tag);
        blocks.push(list);
      }
      list.append(element("li", {}, ...inline(item[2], cite)));
    } else if (!line.trim()) {
      endParagraph();
      list = null;
    } else {
      list = null;
      const heading = /^#{1,6}\s+(.*)$/.exec(line);
      if (heading) {
        endParagraph();
        blocks.push(element("p", {}, element("strong", {}, ...inline(heading[1], cite))));
      } else {
        lines.push(line);
      }
    }
  }
  endParagraph();
  return blocks;
}

function inline(text, cite) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    parts.push(...broken(text.slice(from, match.index)));
    if (match[1]) parts.push(element("strong", { text: match[1] }));
    else if (match[2]) parts.push(element("code", { text: match[2] }));
    else parts.push(cite(Number(match[3])) || match[0]);
    from = match.index + match[0].length;
  }
  return [...parts, ...broken(text.slice(from))];
}

function broken(text) {
  return text.split("\n").flatMap((line, number) => (number ? [document.createElement("br"), line] : [line]));
}
