// Hits while somebody types. Without this file the form does the same with a page each time.
"use strict";

const form = document.getElementById("search");
const results = document.getElementById("results");
const statusLine = document.getElementById("status");
const alertLine = document.getElementById("alert");

// Milliseconds without a key before the server is asked.
const PAUSE = 180;
// Milliseconds without a key before a screen reader is told.
const QUIET = 900;

// Milliseconds without an answer before the server is taken for dead: it refuses what takes 30 seconds.
const PATIENCE = 35000;

let asked = null;
let pause = 0;
let quiet = 0;

function address() {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    const usual = name === "mode" && value === "hybrid";
    if (value !== "" && !usual) fields.append(name, value);
  }
  return fields.toString();
}

async function ask() {
  clearTimeout(pause);
  clearTimeout(quiet);
  // The last query wins: an earlier answer may come later.
  if (asked) asked.abort();
  const own = new AbortController();
  asked = own;
  const query = address();
  const late = setTimeout(() => own.abort(), PATIENCE);
  try {
    const response = await fetch("/results?" + query, { signal: own.signal });
    const html = await response.text();
    if (own !== asked) return;
    const type = response.headers.get("content-type") || "";
    if (!type.startsWith("text/html")) {
      alertLine.textContent = JSON.parse(html).error;
      return;
    }
    results.innerHTML = html;
    alertLine.textContent = "";
    history.replaceState(null, "", "/?" + query);
    const words = form.elements.q.value.trim();
    document.title = words === "" ? "Product search" : words + " – product search";
    const sentence = document.getElementById("new-status").textContent;
    quiet = setTimeout(() => { statusLine.textContent = sentence; }, QUIET);
  } catch {
    // A later query ended this one.
    if (own !== asked) return;
    alertLine.textContent = "The server does not answer. What you see may be old; try again.";
  } finally {
    clearTimeout(late);
  }
}

form.elements.q.addEventListener("input", () => {
  clearTimeout(pause);
  clearTimeout(quiet);
  // A query takes the place of the product that hits are like.
  if (form.elements.like) form.elements.like.value = "";
  pause = setTimeout(ask, PAUSE);
});
for (const name of ["mode", "sort"]) form.elements[name].addEventListener("change", ask);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
