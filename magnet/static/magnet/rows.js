// Tables of rows in forms: rows are added and removed without a round trip.

for (const table of document.querySelectorAll("[data-rows]")) begin(table);

function begin(table) {
  const body = table.querySelector("tbody");
  let next = body.rows.length;
  table.querySelector("[data-add-row]").addEventListener("click", () => {
    const row = body.rows[body.rows.length - 1].cloneNode(true);
    for (const field of row.querySelectorAll("[name]")) {
      field.name = field.name.replace(/-\d+-(\w+)$/, `-${next}-$1`);
      if (field.type === "checkbox") field.checked = false;
      else if (field.localName === "select") field.selectedIndex = 0;
      else field.value = "";
    }
    next += 1;
    body.append(row);
    row.querySelector("[name]").focus();
    tell(table);
  });
  body.addEventListener("click", (event) => {
    const button = event.target.closest("[data-remove-row]");
    if (!button) return;
    const row = button.closest("tr");
    if (body.rows.length > 1) row.remove();
    else for (const field of row.querySelectorAll("[name]")) field.value = "";
    tell(table);
  });
}

// Others listen for input: “save the draft to try your changes”.
function tell(table) {
  table.dispatchEvent(new Event("input", { bubbles: true }));
}
