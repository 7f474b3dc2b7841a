// Requests to our own pages: JSON in and out, with Django's token, and errors as sentences.

export function token() {
  const field = document.querySelector("input[name=csrfmiddlewaretoken]");
  return field ? field.value : "";
}

export class Refused extends Error {}

// The JSON of an answer; throws Refused with the sentence that the server gave.
export async function read(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    body = {};
  }
  if (!response.ok) throw new Refused(body.detail || sentenceFor(response.status));
  return body;
}

export function get(url) {
  return fetch(url, { headers: { Accept: "application/json" } }).then(read);
}

export function post(url, body) {
  const headers = { Accept: "application/json", "X-CSRFToken": token() };
  return fetch(url, { method: "POST", headers, body }).then(read);
}

export function sentenceFor(status) {
  if (status === 401 || status === 403) return "You are signed out, or may not do this. Reload the page.";
  if (status === 413) return "This is too large.";
  return `The server answered with ${status}. Try again in a moment.`;
}

// An element with text (never HTML), classes and children.
export function element(tag, { text, classes, attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (classes) made.className = classes;
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
