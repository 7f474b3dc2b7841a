// Says beside a “Try it” that the form has changes which its answer does not know: what is saved is asked.

export function tellUnsaved(panel, form) {
  const said = panel.querySelector("[data-unsaved]");
  const tell = (event) => {
    if (!panel.contains(event.target)) said.hidden = false;
  };
  for (const kind of ["input", "change"]) form?.addEventListener(kind, tell);
  // The choices with a search of their own tell only jQuery of a change.
  window.django?.jQuery?.(form).on("change", tell);
}
