// After "Test connection": the models that the provider offers, to tick and add.
import "./check.js";
import { element } from "./requests.js";

const box = document.querySelector("[data-offers]");
const add = box.querySelector("[data-add]");
const list = box.querySelector("[data-list]");

document.addEventListener("checked", ({ detail }) => {
  const offered = detail.models || [];
  box.hidden = offered.length === 0;
  list.replaceChildren(...offered.map(choice));
  update();
});
list.addEventListener("change", update);

function choice(model) {
  const tick = element("input", { attributes: { type: "checkbox", name: "offered", value: model.name } });
  tick.disabled = model.is_known;
  const remark = model.is_known ? "added already" : `${model.purpose}${model.has_prices ? ", with prices" : ""}`;
  const note = element("span", { text: remark, classes: "mg-faint mg-small" });
  return element("label", {}, tick, element("span", { text: model.name }), note);
}

function update() {
  add.disabled = list.querySelector("input:checked") === null;
}
