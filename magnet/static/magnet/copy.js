// "Copy": to the clipboard where the browser allows it, else the text is selected for Ctrl-C.
for (const button of document.querySelectorAll("[data-copy]")) {
  const box = button.parentElement.querySelector("[data-copied]");
  const label = button.querySelector("[data-copy-label]");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(box.textContent);
      label.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(box);
      label.textContent = "Press Ctrl-C";
    }
  });
}
