// "Calibrate": asks for one part of the pairs after the other, shows how far it is, and what follows from them.
import { read, token } from "../magnet/requests.js";

const box = document.querySelector("[data-calibrate]");
const button = box.querySelector("[data-measure]");
const progress = box.querySelector("[data-progress]");
const said = box.querySelector("[data-said]");
const proposal = box.querySelector("[data-proposal]");

button.addEventListener("click", async () => {
  button.disabled = true;
  proposal.hidden = true;
  progress.hidden = false;
  progress.value = 0;
  try {
    show(await measured());
  } catch (error) {
    said.textContent = error.message;
  } finally {
    button.disabled = false;
    progress.hidden = true;
  }
});

async function measured() {
  let part = { fitting: [], unrelated: [] };
  said.textContent = "Measuring…";
  while (!part.proposal) {
    part = await next(part);
    progress.value = Math.min(part.done / part.of, 1);
    said.textContent = `${part.done} of ${part.of} pairs`;
  }
  return part.proposal;
}

async function next({ fitting, unrelated }) {
  const headers = { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token() };
  const body = JSON.stringify({ fitting, unrelated });
  return read(await fetch(box.dataset.calibrate, { method: "POST", headers, body }));
}

function show({ floor, ceiling, sentence }) {
  said.textContent = "";
  box.querySelector("[data-sentence]").textContent = sentence;
  box.querySelector("[name=floor]").value = floor;
  box.querySelector("[name=ceiling]").value = ceiling;
  box.querySelector("[data-save]").textContent = `Save ${floor.toFixed(2)} and ${ceiling.toFixed(2)}`;
  proposal.hidden = false;
}
