// "Try it" of an API tool or an MCP tool: the fields become arguments, and the answer is shown as it came.
import { element, read, token } from "../magnet/requests.js";

for (const panel of document.querySelectorAll("[data-try-api]")) {
  const part = (name) => panel.querySelector(`[data-${name}]`);
  part("run").addEventListener("click", async () => {
    show(part("error"), "");
    show(part("note"), "");
    show(part("content"), "");
    part("run").disabled = true;
    part("facts").textContent = "Calling…";
    try {
      tell(panel, part, await call(panel.dataset.url, argumentsOf(panel)));
    } catch (error) {
      part("facts").textContent = "";
      show(part("error"), error.message);
    } finally {
      part("run").disabled = false;
    }
  });
}

function argumentsOf(panel) {
  const found = {};
  for (const field of panel.querySelectorAll("[data-argument]")) {
    if (field.value !== "") found[field.dataset.argument] = valueOf(field);
  }
  return found;
}

function valueOf(field) {
  const { type, argument } = field.dataset;
  if (type === "string") return field.value;
  if (type === "number") return Number(field.value);
  try {
    return JSON.parse(field.value);
  } catch {
    if (type === "any") return field.value;
    throw new Error(`${argument}: write this as JSON.`);
  }
}

function call(url, given) {
  const headers = { Accept: "application/json", "Content-Type": "application/json", "X-CSRFToken": token() };
  return fetch(url, { method: "POST", headers, body: JSON.stringify({ arguments: given }) }).then(read);
}

function tell(panel, part, result) {
  // An MCP tool answers in blocks, which are shown as a model reads them.
  const content = result.text ?? result.content;
  const text = typeof content === "string" ? content : JSON.stringify(content, null, 2);
  show(part("content"), content === null ? "" : text);
  show(part("note"), result.note ?? "");
  const time = `${Math.round(result.duration_ms)} ms`;
  const said = result.is_mocked ? "The example." : facts(result, time);
  part("facts").replaceChildren(said, " ");
  if (panel.dataset.traceUrl) {
    const address = panel.dataset.traceUrl.replace("00000000-0000-0000-0000-000000000000", result.trace_id);
    part("facts").append(element("a", { text: "Trace", classes: "mg-link", attributes: { href: address } }));
  }
}

function facts(result, time) {
  if (result.status) return `Status ${result.status}, ${time}.`;
  return result.is_ok ? `Answered, ${time}.` : `Answered with an error, ${time}.`;
}

function show(place, text) {
  place.textContent = text;
  place.hidden = !text;
}
