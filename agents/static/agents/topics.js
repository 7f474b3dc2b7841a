// Topics as cards: topics and actions are added, moved and removed without a round trip.

for (const form of document.querySelectorAll("[data-topics]")) begin(form);

function begin(form) {
  const list = form.querySelector("[data-topic-list]");
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const topic = button.closest("[data-topic]");
    if ("addTopic" in button.dataset) addTopic(form, list);
    else if ("removeTopic" in button.dataset) removeTopic(list, topic);
    else if ("topicUp" in button.dataset) topic.previousElementSibling?.before(topic);
    else if ("addAction" in button.dataset) addAction(topic);
    else if ("removeAction" in button.dataset) removeAction(button.closest("[data-action]"));
    else return;
    number(list, form.dataset.topics);
    // Others listen for input: “save the draft to try your changes”.
    form.dispatchEvent(new Event("input", { bubbles: true }));
  });
  form.addEventListener("input", (event) => {
    if (!event.target.matches?.("[data-topic-name]")) return;
    event.target.closest("[data-topic]").querySelector("[data-topic-title]").textContent = event.target.value || "New topic";
  });
}

function addTopic(form, list) {
  const topic = form.querySelector("[data-new-topic]").content.firstElementChild.cloneNode(true);
  list.append(topic);
  topic.querySelector("[data-topic-name]").focus();
}

function removeTopic(list, topic) {
  if (list.children.length > 1) topic.remove();
  else clear(topic);
}

function addAction(topic) {
  const rows = topic.querySelector("[data-actions]");
  const row = rows.lastElementChild.cloneNode(true);
  clear(row);
  rows.append(row);
  row.querySelector("select").focus();
}

function removeAction(row) {
  if (row.parentElement.children.length > 1) row.remove();
  else clear(row);
}

function clear(part) {
  for (const field of part.querySelectorAll("[name]")) {
    if (field.type === "checkbox") field.checked = false;
    else if (field.localName === "select") field.selectedIndex = 0;
    else field.value = "";
  }
  for (const more of part.querySelectorAll("details")) more.open = false;
}

// The order on the page is the order of the names.
function number(list, name) {
  [...list.children].forEach((topic, place) => {
    for (const field of topic.querySelectorAll("[name]")) {
      const row = field.closest("[data-action]");
      const rest = field.name.slice(field.name.lastIndexOf("-") + 1);
      const at = row ? `actions-${[...row.parentElement.children].indexOf(row)}-` : "";
      field.name = `${name}-${place}-${at}${rest}`;
    }
  });
}
