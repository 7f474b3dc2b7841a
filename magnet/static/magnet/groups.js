// Closed groups of a form open themselves where something in them was set or does not fit, or a link leads into them.

const telling = (document.querySelector("script[data-telling-fields]").dataset.tellingFields || "").split(" ");

for (const name of telling) open(document.getElementById(`id_${name}`));
lead();
window.addEventListener("hashchange", lead);

function lead() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!open(target)) return;
  target.scrollIntoView({ block: "center" });
  const field = target.matches("input, select, textarea") ? target : target.querySelector("input, select, textarea");
  field?.focus({ preventScroll: true });
}

function open(element) {
  const group = element?.closest("details");
  if (group) group.open = true;
  return Boolean(element);
}
