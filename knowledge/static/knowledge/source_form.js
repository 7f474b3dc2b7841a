// The form of a source: what a cron expression means, while it is typed; and "Test connection".
import "../magnet/check.js";
import { element, get } from "../magnet/requests.js";

const address = document.querySelector("[data-explain-cron]")?.dataset.explainCron;
const cron = document.querySelector("#id_cron");
if (cron && address) {
  const words = element("p", { classes: "mg-help", attributes: { "aria-live": "polite" } });
  cron.after(words);
  const explain = async () => {
    const said = cron.value.trim();
    words.textContent = said ? (await get(`${address}?cron=${encodeURIComponent(said)}`)).sentence : "";
  };
  let timer;
  cron.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(explain, 300);
  });
  explain();
}
