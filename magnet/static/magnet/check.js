// "Test connection": one request, and its sentence beside the button.
import { post } from "./requests.js";

for (const button of document.querySelectorAll("[data-check]")) {
  const result = button.parentElement.querySelector("[data-check-result]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    say(result, "Testing…", "");
    try {
      const answer = await post(button.dataset.check);
      say(result, answer.detail, "mg-success");
      button.dispatchEvent(new CustomEvent("checked", { detail: answer, bubbles: true }));
    } catch (error) {
      say(result, error.message, "mg-danger");
    } finally {
      button.disabled = false;
    }
  });
}

function say(place, sentence, tone) {
  place.textContent = sentence;
  place.className = tone ? `mg-notice ${tone} mg-small` : "mg-small mg-faint";
}
