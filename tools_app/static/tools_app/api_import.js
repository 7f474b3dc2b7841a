// Choosing among many operations: found by a word, ticked together, and sent in one field.

const form = document.querySelector("[data-choose]");
if (form) {
  const rows = [...form.querySelectorAll("[data-row]")].map((row) => ({
    row,
    box: row.querySelector("input[type=checkbox]"),
    text: row.textContent.toLowerCase(),
  }));
  const count = form.querySelector("[data-count]");

  const tell = () => {
    count.textContent = `${rows.filter(({ box }) => box && box.checked).length} chosen`;
  };
  form.querySelector("[data-find]").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/);
    for (const { row, text } of rows) row.hidden = !words.every((word) => text.includes(word));
  });
  const tick = (isTicked) => () => {
    for (const { row, box } of rows) if (box && !row.hidden) box.checked = isTicked;
    tell();
  };
  form.querySelector("[data-all]").addEventListener("click", tick(true));
  form.querySelector("[data-none]").addEventListener("click", tick(false));
  form.addEventListener("change", tell);
  form.addEventListener("submit", () => {
    const chosen = rows.filter(({ box }) => box && box.checked).map(({ box }) => box.value);
    form.querySelector("[data-operations]").value = chosen.join("\n");
  });
  tell();
}
