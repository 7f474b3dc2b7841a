// The page of a document: chunk borders on demand, and the cited passage in view.
const text = document.querySelector("[data-document]");
const toggle = document.querySelector("[data-toggle-chunks]");
if (toggle && text) toggle.addEventListener("change", () => text.classList.toggle("mg-shows-chunks", toggle.checked));
document.getElementById("passage")?.scrollIntoView({ block: "center" });
const active = document.querySelector(".mg-chunks .mg-active");
if (active) active.parentElement.scrollTop = active.offsetTop - active.parentElement.offsetTop - 40;
