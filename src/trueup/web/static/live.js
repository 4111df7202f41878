"use strict";
// Keeps the page as the cluster is: rows change as units change, buttons ask the server, the difference loads late.
const fields = ["sync", "health", "revision", "path", "phase", "message"];

function show(root, unit) {
  for (const name of fields) {
    const at = root.querySelector(`[data-field="${name}"]`) || document.querySelector(`.facts [data-field="${name}"]`);
    if (!at) continue;
    at.textContent = unit[name] || (name === "phase" ? "none" : "");
    if (at.classList.contains("state")) at.className = `state ${(unit[name] || "").toLowerCase()}`;
  }
}

function addRow(table, unit) {
  const row = document.createElement("tr");
  row.dataset.unit = unit.id;
  row.innerHTML = '<td><a></a> <small></small></td><td><span class="state" data-field="sync"></span></td>' +
    '<td><span class="state" data-field="health"></span></td><td><code data-field="revision"></code></td>' +
    '<td data-field="path"></td><td class="message" data-field="message"></td>';
  const link = row.querySelector("a");
  link.href = `/units/${unit.id}`;
  link.textContent = `${unit.namespace}/${unit.name}`;
  row.querySelector("small").textContent = unit.kind;
  table.tBodies[0].append(row);
  document.querySelector(".empty")?.setAttribute("hidden", "");
  return row;
}

function sum() {
  const at = document.querySelector("[data-sums]");
  if (!at) return;
  const counts = {};
  const rows = [...document.querySelectorAll("tr[data-unit]")];
  for (const row of rows) {
    const health = row.querySelector('[data-field="health"]').textContent;
    counts[health] = (counts[health] || 0) + 1;
  }
  at.textContent = `${rows.length} in all` + Object.entries(counts).map(([word, n]) => ` · ${n} ${word}`).join("");
}

const table = document.querySelector("table[data-units]");
const page = document.querySelector("[data-page]");
let late;

function loadDiff() {
  const at = document.querySelector("[data-diff]");
  if (!at) return;
  fetch(at.dataset.diff).then((answer) => answer.text()).then((text) => { at.textContent = text || "no difference"; });
}

if (table || page) {
  const events = new EventSource("/events");
  events.onmessage = (event) => {
    const unit = JSON.parse(event.data);
    if (page) {
      if (page.dataset.unit !== unit.id) return;
      show(page, unit);
      clearTimeout(late);
      late = setTimeout(loadDiff, 800);
      return;
    }
    let row = table.querySelector(`[data-unit="${CSS.escape(unit.id)}"]`);
    if (unit.gone) row?.remove();
    else show(row || (row = addRow(table, unit)), unit);
    sum();
  };
}
sum();
loadDiff();

document.querySelector("[data-find]")?.addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const row of document.querySelectorAll("tr[data-unit]")) row.hidden = !row.textContent.toLowerCase().includes(wanted);
});

for (const button of document.querySelectorAll("[data-action]")) {
  button.addEventListener("click", async () => {
    const said = document.querySelector("[data-answer]");
    said.textContent = "asking…";
    const answer = await fetch(`/units/${page.dataset.unit}/${button.dataset.action}`, { method: "POST", headers: { "x-trueup": "1" } });
    const body = await answer.json();
    said.textContent = body.error || `${body.done} asked for`;
  });
}
