// "Preview" beside the form of a source: what the settings in the form, saved or not, make of a text.
import { element, post } from "../magnet/requests.js";

const panel = document.querySelector("[data-preview]");
const form = document.querySelector("#knowledgesource_form");
if (panel && form) {
  const [chooser, wanted, button, result] = ["file", "document", "start", "result"].map((name) =>
    panel.querySelector(`[data-preview-${name}]`),
  );
  const file = element("input", { attributes: { type: "file", accept: chooser.dataset.accept } });
  // The theme's script hangs itself on file fields that do not say this, and looks for a text field beside them.
  file.hasChangeListener = true;
  chooser.append(file);
  const chosen = panel.querySelector("[data-preview-name]");
  const label = chosen.textContent;

  const show = async () => {
    const asked = new FormData(form);
    asked.delete("preview_file");
    if (file.files[0]) asked.set("preview_file", file.files[0]);
    asked.set("preview_document", wanted ? wanted.value.trim() : "");
    asked.set("preview_source", panel.dataset.previewSource);
    button.disabled = true;
    result.replaceChildren(element("p", { text: "Reading and cutting…", classes: "mg-faint" }));
    try {
      // Written by our own template, which escapes what stands in the text.
      result.innerHTML = (await post(panel.dataset.preview, asked)).html;
      result.scrollIntoView({ block: "nearest", behavior: "smooth" });
    } catch (error) {
      result.replaceChildren(element("div", { text: error.message, classes: "mg-notice mg-danger", attributes: { role: "alert" } }));
    } finally {
      button.disabled = false;
    }
  };

  file.addEventListener("change", () => {
    chosen.textContent = file.files[0] ? file.files[0].name : label;
    if (file.files[0] && wanted) wanted.value = "";
    if (file.files[0]) show();
  });
  wanted?.addEventListener("input", () => {
    file.value = "";
    chosen.textContent = label;
  });
  wanted?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    show();
  });
  button.addEventListener("click", show);
}
