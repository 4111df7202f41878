// Keeps the page as the cluster is: rows change as units change, parts are fetched anew when objects do, buttons ask the server.
// Whatever comes from the cluster is set as text, never as markup.
const table = document.querySelector("table[data-units]");
const page = document.querySelector("[data-page]");
const link = document.querySelector("[data-link]");
const find = document.querySelector("[data-find]");
const rows = () => [...document.querySelectorAll("tr[data-unit]")];
const address = (id) => "/units/" + id.split("/").map(encodeURIComponent).join("/");

// --- words -----------------------------------------------------------------------------------------------------------

function show(root, unit) {
  for (const name of ["sync", "health", "revision", "path", "message"]) {
    const at = root.querySelector(`[data-field="${name}"]`);
    if (!at || at.textContent === (unit[name] || "")) continue;
    at.textContent = unit[name] || "";
    if (at.classList.contains("state")) at.className = "state " + (unit[name] || "").toLowerCase();
  }
}

function say(text) {
  link.textContent = text;
  link.hidden = !text;
}

function ago(text) {
  const seconds = (Date.now() - Date.parse(text)) / 1000;
  for (const [word, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    const count = Math.floor(seconds / size);
    if (count >= 1) return `${count} ${word}${count > 1 ? "s" : ""} ago`;
  }
  return seconds > -60 ? "just now" : text;
}

function tellTimes() {
  for (const at of document.querySelectorAll("time[datetime]")) {
    if (Number.isNaN(Date.parse(at.dateTime))) continue;
    at.title = at.dateTime;
    at.textContent = ago(at.dateTime);
  }
}

// --- the list --------------------------------------------------------------------------------------------------------

function cell(row, kind, tag, field, state) {
  const td = row.insertCell();
  td.className = kind;
  const at = tag ? td.appendChild(document.createElement(tag)) : td;
  if (state) at.className = "state";
  at.dataset.field = field;
}

function addRow(unit) {
  const key = (id) => id.split("/").join("\0");
  const after = rows().find((row) => key(row.dataset.unit) > key(unit.id));
  const row = document.createElement("tr");
  row.dataset.unit = unit.id;
  const name = row.insertCell();
  name.className = "name";
  const to = name.appendChild(document.createElement("a"));
  to.href = address(unit.id);
  to.append(`${unit.namespace}/`, Object.assign(document.createElement("b"), { textContent: unit.name }));
  name.append(" ", Object.assign(document.createElement("small"), { textContent: unit.kind }));
  cell(row, "word", "span", "sync", true);
  cell(row, "word", "span", "health", true);
  cell(row, "revision", "code", "revision");
  cell(row, "path", "", "path");
  cell(row, "message", "div", "message");
  table.tBodies[0].insertBefore(row, after || null);
  return row;
}

function settle() {
  const all = rows();
  const wanted = (find?.value || "").trim().toLowerCase();
  const counts = new Map();
  let found = 0;
  for (const row of all) {
    const health = row.querySelector('[data-field="health"]').textContent || "Unknown";
    counts.set(health, (counts.get(health) || 0) + 1);
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
    found += row.hidden ? 0 : 1;
  }
  table.hidden = !all.length || !found;
  document.querySelector("[data-none]").hidden = all.length > 0;
  document.querySelector("[data-unfound]").hidden = !all.length || found > 0;
  const order = ["Degraded", "Missing", "Progressing", "Suspended", "Unknown", "Healthy"];
  const words = [...counts.keys()].sort((one, other) => order.indexOf(one) - order.indexOf(other));
  const sums = document.querySelector("[data-sums]");
  const text = `${all.length} in all ${words.map((word) => `${word} ${counts.get(word)}`).join(" ")} ${wanted}`;
  if (sums.dataset.told === text) return;
  sums.dataset.told = text;
  sums.replaceChildren(`${all.length} in all`, ...words.map((word) => {
    const button = document.createElement("button");
    button.className = `state ${word.toLowerCase()}`;
    button.dataset.only = word;
    button.textContent = `${counts.get(word)} ${word}`;
    button.setAttribute("aria-pressed", String(wanted === word.toLowerCase()));
    return button;
  }));
}

let settling;
function settleSoon() {
  settling ||= requestAnimationFrame(() => { settling = 0; settle(); });
}

function listChanged(unit) {
  const row = table.querySelector(`tr[data-unit="${CSS.escape(unit.id)}"]`);
  if (unit.gone) row?.remove();
  else show(row || addRow(unit), unit);
  settleSoon();
}

// --- one unit --------------------------------------------------------------------------------------------------------

async function loadDiff() {
  const at = document.querySelector("[data-diff]");
  at.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(at.dataset.diff);
    const text = await answer.text();
    at.classList.toggle("wrong", !answer.ok);
    at.replaceChildren(...text.split("\n").map(line));
    document.querySelector("[data-prune]").hidden = !/\d+ to prune|requires pruning/.test(text);
  } catch {
    at.replaceChildren("The difference could not be fetched.");
  }
  at.setAttribute("aria-busy", "false");
}

function line(text) {
  const kinds = { "+": "add", "-": "cut", "~": "change", "!": "change", "x": "refused" };
  const at = document.createElement("span");
  at.className = /^ {2}[-+~!x] /.test(text) ? kinds[text[2]] : text.startsWith("warning:") ? "change" : "";
  at.textContent = `${text}\n`;
  return at;
}

async function loadParts() {
  try {
    const answer = await fetch(location.pathname, { headers: { accept: "text/html" } });
    if (answer.redirected || answer.status === 404) return location.reload();
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-live]")) {
      const now = fresh.getElementById(old.id);
      if (now && now.innerHTML !== old.dataset.was) {
        old.dataset.was = now.innerHTML;
        old.replaceChildren(...document.adoptNode(now).childNodes);
      }
    }
    tellTimes();
  } catch {
    say("This page could not be fetched anew.");
  }
}

const later = {};
function soon(what, wait) {
  later[what.name] ||= setTimeout(() => { later[what.name] = 0; what(); }, wait);
}

function unitChanged(unit) {
  if (unit.gone) return location.reload();
  show(page, unit);
  treeChanged();
}

function treeChanged() {
  soon(loadParts, 150);
  soon(loadDiff, 800);
}

async function press(button) {
  const said = document.querySelector("[data-answer]");
  const prune = document.querySelector("[data-prune] input");
  said.classList.remove("wrong");
  said.textContent = "asking…";
  button.disabled = true;
  try {
    const answer = await fetch(`${address(page.dataset.unit)}/${button.dataset.action}`, {
      method: "POST",
      headers: { "x-trueup": "1", "content-type": "application/json" },
      body: JSON.stringify({ prune: prune.checked }),
    });
    if (answer.status === 401) return location.reload();
    const body = await answer.json();
    said.classList.toggle("wrong", !answer.ok);
    said.textContent = body.error || `${body.done} asked for`;
  } catch {
    said.classList.add("wrong");
    said.textContent = "The server could not be reached.";
  }
  button.disabled = false;
}

// --- live ------------------------------------------------------------------------------------------------------------

function listen(where, seen) {
  const events = new EventSource(`${where}?seen=${encodeURIComponent(seen)}`);
  events.onopen = () => say("");
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) {
      say("Not live. Load the page again.");
      setTimeout(() => location.reload(), 5000);
    } else say("Not live: trying to reach the server…");
  };
  events.onmessage = (event) => (page ? unitChanged : listChanged)(JSON.parse(event.data));
  events.addEventListener("tree", treeChanged);
  events.addEventListener("again", () => location.reload());
  addEventListener("pagehide", () => events.close());
}

addEventListener("pageshow", (event) => event.persisted && location.reload());
if (table) listen("/events", table.dataset.mark);
if (page) listen(`${address(page.dataset.unit)}/events`, page.dataset.mark);
if (table) settle();
if (page) loadDiff();
tellTimes();
setInterval(tellTimes, 30000);

// --- hands -----------------------------------------------------------------------------------------------------------

find?.addEventListener("input", settle);
addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.action) press(button);
  if (button?.dataset.only) {
    find.value = button.getAttribute("aria-pressed") === "true" ? "" : button.dataset.only;
    settle();
    document.querySelector(`[data-only="${CSS.escape(button.dataset.only)}"]`)?.focus();
  }
  if (button && "clear" in button.dataset) { find.value = ""; settle(); find.focus(); }
});
addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=checkbox]), textarea");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && event.target === find) { find.value = ""; settle(); find.blur(); }
  else if (typing) return;
  else if (event.key === "/" && find) { event.preventDefault(); find.focus(); }
  else if (event.key === "u" && page) location.href = "/";
  else if ((event.key === "j" || event.key === "k") && table) {
    const links = rows().filter((row) => !row.hidden).map((row) => row.querySelector("a"));
    const at = links.indexOf(document.activeElement) + (event.key === "j" ? 1 : -1);
    links[Math.max(0, Math.min(at, links.length - 1))]?.focus();
  }
});
