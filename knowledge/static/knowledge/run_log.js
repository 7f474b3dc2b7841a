// The page of a run: its log grows while it works; at the end the page shows the receipt.
import { element, get } from "../magnet/requests.js";
import { show } from "./progress.js";

const EACH_MS = 1000;
const log = document.querySelector("[data-log]");

function add({ id, at, level, text, url }) {
  log.querySelector("[data-empty]")?.remove();
  const words = url ? element("a", { text, attributes: { href: url } }) : element("span", { text });
  const line = element("li", { classes: `mg-log-${level}`, attributes: { "data-line": id } });
  line.append(element("time", { text: at }), element("span", { classes: "mg-break" }, words));
  const isAtEnd = log.scrollTop + log.clientHeight > log.scrollHeight - 40;
  log.append(line);
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

async function follow() {
  for (;;) {
    const last = log.querySelector("[data-line]:last-child")?.dataset.line || 0;
    try {
      const { lines, run } = await get(`${log.dataset.log}?after=${last}`);
      lines.forEach(add);
      if (run.is_finished) return location.reload();
      show(run);
    } catch (error) {
      add({ id: last, at: "", level: "warning", text: error.message });
    }
    await new Promise((wake) => setTimeout(wake, EACH_MS));
  }
}

if (log && log.dataset.finished === "no") follow();
