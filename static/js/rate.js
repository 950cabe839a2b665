// The rating page: keys, drafts that survive, submits that are sent once, undo, differences.
// One item is on the page at a time; the server sends the next one as HTML, and its parts replace their namesakes.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const storage = {
  get: (token) => { try { return JSON.parse(localStorage.getItem(`rating:${token}`)); } catch { return null; } },
  set: (token, value) => { try { localStorage.setItem(`rating:${token}`, JSON.stringify(value)); } catch { /* full or forbidden: the server has it */ } },
  drop: (token) => { try { localStorage.removeItem(`rating:${token}`); } catch { /* as above */ } },
};
let page, form, cells, width, at, low, high, token, address, lastNumber, busy;
const hold = (is) => { // while the server is asked, nothing on the item changes
  busy = is;
  for (const part of $$("input, textarea, button, label, summary", form)) part.inert = is;
  if (!is) go(at);
};
const PAUSE = 400; // ms
let swallowed = -PAUSE;
let seconds = 0, undoable = null, undoTimer = 0, draftTimer = 0;

// --- the item on the page -----------------------------------------------------------------------
function prepare() {
  page = $("#main");
  form = $("#rating");
  busy = false;
  if (!form) return;
  ({ token, address } = page.dataset);
  [low, high] = page.dataset.scale.split(" ").map(Number);
  lastNumber = Number(page.dataset.drafted);
  seconds = Number(page.dataset.seconds) || 0;
  cells = $$(".score", form); // row by row: criterion, then answer
  width = $$(".answer", form).length;
  form.noValidate = true;
  form.autocomplete = "off";
  for (const button of $$("[data-do], #keyhint")) button.hidden = false;
  recover();
  at = 0;
  go(Math.max(0, cells.findIndex((cell) => scoreOf(cell) === null)));
  count();
}
const preview = () => "preview" in page.dataset;
const typed = (cell) => cell.classList.contains("typed");
const inputOf = (cell) => (typed(cell) ? $("input", cell) : $(":checked", cell));
function scoreOf(cell) {
  const value = inputOf(cell)?.value ?? "";
  return value.trim() === "" || !Number.isInteger(Number(value)) ? null : Number(value);
}
function go(i) {
  delete cells[at].dataset.active;
  at = Math.min(cells.length - 1, Math.max(0, i));
  const cell = cells[at], criterion = cell.closest(".crit").dataset;
  cell.dataset.active = "";
  for (const end of ["low", "high"]) for (const place of $$(`.scale [data-${end}]`, form)) place.textContent = criterion[end];
  const shown = $(`.switch [value="${cell.dataset.of}"]`);
  if (shown) shown.checked = true;
  if (typed(cell) && document.activeElement !== $("input", cell) && !document.activeElement.matches("[name=comment], textarea")) $("input", cell).focus({ preventScroll: true });
}
const undecided = () => $("[name=preference]", form) !== null && $("[name=preference]:checked", form) === null;
function count() {
  const done = cells.filter((cell) => scoreOf(cell) !== null).length;
  const rest = done === cells.length && undecided() ? " · overall choice missing" : "";
  for (const place of $$("[data-count]")) place.textContent = `${done} of ${cells.length} scored${rest}`;
}
function say(text, isError = false) {
  const place = $("#say");
  if (!place) return;
  place.classList.toggle("error", isError);
  const saved = $("[data-saved]", place), counted = $("[data-count], b", place);
  if (isError) { counted.removeAttribute("data-count"); counted.textContent = text; saved.textContent = ""; }
  else { counted.dataset.count = ""; count(); saved.textContent = text; }
}
const complaining = () => $("#say")?.classList.contains("error"); // stands until the next score


// --- drafts: kept in the browser until the server has them ----------------------------------------
function entered() {
  tick();
  const scores = {}, corrections = {};
  for (const cell of cells) { const score = scoreOf(cell); if (score !== null && score >= low && score <= high) scores[cell.dataset.cell] = score; }
  for (const area of $$("[name^='correction:']", form)) {
    const letter = area.name.slice(11), text = area.value.trim();
    if (text && text !== textOf(letter)?.trim()) corrections[letter] = text;
  }
  return { scores, corrections, preference: $("[name=preference]:checked", form)?.value ?? "", comment: form.elements.comment.value, seconds };
}
const textOf = (letter) => { const box = $(`.answer[data-of="${letter}"] .read`); return box?.dataset.text ?? box?.textContent; };
function fill(draft) {
  for (const cell of cells) {
    const score = draft.scores?.[cell.dataset.cell];
    if (score === undefined) continue;
    if (typed(cell)) $("input", cell).value = score;
    else { const radio = $(`[value="${score}"]`, cell); if (radio) radio.checked = true; }
  }
  for (const [letter, text] of Object.entries(draft.corrections ?? {})) {
    const area = $(`[name="correction:${letter}"]`, form);
    if (area) { area.value = text; area.closest("details").open = true; }
  }
  const choice = draft.preference && $(`[name=preference][value="${draft.preference}"]`, form);
  if (choice) choice.checked = true;
  form.elements.comment.value = draft.comment ?? "";
  seconds = Math.max(seconds, draft.seconds ?? 0);
}
function recover() { // what this browser kept and the server never acknowledged
  const kept = storage.get(token);
  if (!kept || preview()) return;
  if (kept.number <= lastNumber) return storage.drop(token);
  fill(kept);
  if (kept.key) form.elements.key.value = kept.key; // a submit that was on its way: the same key stores it once
  sendDraft(0);
}
function changed() {
  count();
  if (!preview()) keep();
}
function keep(extra = {}) {
  lastNumber = Math.max(Date.now(), lastNumber + 1);
  storage.set(token, { ...entered(), ...extra, number: lastNumber });
  sendDraft(500);
}
function sendDraft(delay) {
  clearTimeout(draftTimer);
  const mine = token, number = Math.max(lastNumber, storage.get(token)?.number ?? 0);
  if (page.dataset.revision !== "0") return; // a change of a stored rating is sent when it is whole
  const send = async () => {
    draftTimer = 0;
    if (mine !== token) return;
    const answer = await post(`${mine}/draft/`, JSON.stringify({ ...entered(), number }), { keepalive: true });
    const stored = answer?.ok ? (await answer.json().catch(() => null))?.number : undefined;
    if (!(stored >= number) || mine !== token) return;
    if (storage.get(mine)?.number === number) storage.drop(mine);
    if (!complaining()) say(` · draft saved ${new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })}`);
  };
  if (delay) draftTimer = setTimeout(send, delay); else send();
}

// --- talking to the server ------------------------------------------------------------------------
const loggedOut = (answer) => answer.status === 401 || answer.redirected; // no answer to a fragment is a redirect
const formToken = (root = document) => $("[name=csrfmiddlewaretoken]", root)?.value;
function send(path, body, options) {
  if (body instanceof URLSearchParams) body.set("csrfmiddlewaretoken", formToken());
  return fetch(address + path, {
    method: "POST", body, ...options, redirect: "follow",
    headers: { "X-Fragment": "1", "X-CSRFToken": formToken(), ...(typeof body === "string" ? { "Content-Type": "application/json" } : {}) },
  });
}
async function renew() { // logging in again changes the form token; the answer tells whether one is logged in
  const answer = await fetch(address, { headers: { "X-Fragment": "1" } });
  if (!answer.ok || loggedOut(answer)) return answer;
  const parts = document.createElement("template");
  parts.innerHTML = await answer.text();
  const fresh = formToken(parts.content);
  if (fresh) for (const field of $$("[name=csrfmiddlewaretoken]")) field.value = fresh;
  return answer;
}
async function post(path, body, options = {}) { // null when the server cannot be reached or nobody is logged in
  try {
    let answer = await send(path, body, options);
    if (answer.status === 403) {
      const renewed = await renew();
      answer = renewed.ok && !renewed.redirected ? await send(path, body, options) : renewed;
    }
    if (answer.status >= 502) throw new Error("The server is restarting.");
    offline(false);
    lost(loggedOut(answer));
    return loggedOut(answer) ? null : answer;
  } catch {
    offline(true);
    return null;
  }
}
function lost(is) {
  $("#lost").hidden = !is;
}
async function goOn() { // back on this tab, perhaps logged in again
  if (!form || busy || $("#lost").hidden) return;
  if (storage.get(token)) sendDraft(0);
  else await post(`${token}/pulse/`);
}
function offline(is) {
  $("#offline").hidden = !is;
}
async function swap(answer) {
  const parts = document.createElement("template");
  parts.innerHTML = await answer.text();
  for (const part of [...parts.content.children]) document.getElementById(part.id)?.replaceWith(part);
  clearTimeout(draftTimer);
  prepare();
  scrollTo({ top: 0 });
  if (!form) $("#main .first, #main .button")?.focus();
}
async function show(path) {
  if (draftTimer) sendDraft(0);
  try {
    const answer = await fetch(address + path, { headers: { "X-Fragment": "1" } });
    lost(loggedOut(answer));
    if (answer.ok && !answer.redirected) await swap(answer);
  } catch { offline(true); }
}
async function submit() {
  if (busy || preview()) return;
  const open = cells.filter((cell) => scoreOf(cell) === null);
  const off = cells.filter((cell) => { const score = scoreOf(cell); return score !== null && (score < low || score > high); });
  for (const cell of cells) cell.toggleAttribute("data-missing", open.includes(cell) || off.includes(cell));
  if (open.length) { go(cells.indexOf(open[0])); return say(missing(open.map((cell) => cell.dataset.name)), true); }
  if (off.length) { go(cells.indexOf(off[0])); return say(`${off[0].dataset.name} must be a whole number from ${low} to ${high}.`, true); }
  $(".prefer", form)?.toggleAttribute("data-missing", undecided());
  if (undecided()) { $("[name=preference]", form).focus(); return say("Choose which answer is better overall, or that they tie.", true); }
  hold(true);
  clearTimeout(draftTimer);
  keep({ key: form.elements.key.value });
  clearTimeout(draftTimer);
  form.elements.seconds.value = seconds.toFixed(1);
  for (const area of $$("[name^='correction:']", form)) area.disabled = area.value.trim() === (textOf(area.name.slice(11)) ?? "").trim();
  const body = new URLSearchParams(new FormData(form)), mine = token, number = lastNumber, { scores } = entered();
  for (const area of $$("[name^='correction:']", form)) area.disabled = false;
  let answer = await post(`${mine}/submit/`, body);
  while (!answer) { // the same key again, until the server has answered
    say($("#lost").hidden ? "Kept here; not sent yet" : "Not stored: log in again", true);
    await Promise.race([wait(4000), ...["online", "focus"].map((what) => new Promise((back) => addEventListener(what, back, { once: true })))]);
    answer = await post(`${mine}/submit/`, body);
  }
  if (answer.status === 409) { hold(false); return say((await answer.json()).detail, true); }
  if (!answer.ok) { hold(false); return say("The server could not store this; your scores are kept. Try again.", true); }
  if (!echoes(answer, mine, scores)) { hold(false); return say("The server did not confirm these scores; they are kept in this browser. Reload the page and look.", true); }
  if (storage.get(mine)?.number === number) storage.drop(mine);
  await swap(answer);
  offerUndo(mine);
}
function echoes(answer, mine, scores) { // whether the server says that it stored just this
  const stored = JSON.parse(answer.headers.get("X-Stored") ?? "null"), cellsOf = Object.entries(scores);
  return stored?.token === mine && cellsOf.length === Object.keys(stored.scores).length && cellsOf.every(([name, score]) => stored.scores[name] === score);
}
function missing(names) {
  if (names.length === 1) return `1 score is missing: ${names[0]}`;
  const last = names.length > 4 ? `${names.length - 3} more` : names.at(-1);
  return `${names.length} scores are missing: ${names.slice(0, Math.min(3, names.length - 1)).join(", ")} and ${last}`;
}

// --- undo, skip, flag -------------------------------------------------------------------------------
function offerUndo(submitted) {
  undoable = submitted;
  $("#undo").hidden = false;
  clearTimeout(undoTimer);
  undoTimer = setTimeout(noUndo, 10_000);
}
function noUndo() { undoable = null; $("#undo").hidden = true; }
async function undo() {
  if (!undoable || busy) return;
  busy = true;
  const wanted = undoable;
  noUndo();
  if (form && draftTimer) sendDraft(0);
  const answer = await post(`${wanted}/undo/`);
  busy = false;
  if (answer?.ok) return swap(answer);
  if (answer) say(answer.status === 409 ? (await answer.json()).detail : "The server could not take this back. Try again.", true);
}
function ask(what) {
  const dialog = document.getElementById(what);
  if (!dialog || dialog.open || preview()) return;
  $("form", dialog)?.reset();
  const error = $(".error", dialog);
  if (error) error.hidden = true;
  dialog.showModal();
}
async function aside(asked) {
  const what = asked.dataset.aside, dialog = asked.closest("dialog"), error = $(".error", asked);
  if (busy) return;
  hold(true);
  const answer = await post(`${token}/${what}/`, new URLSearchParams(new FormData(asked)));
  hold(false);
  if (!answer) return;
  if (!answer.ok) { error.hidden = false; $("span", error).textContent = answer.status === 409 ? (await answer.json()).detail : "The server could not store this. Try again."; return; }
  dialog.close();
  if (what === "skip") { storage.drop(token); await swap(answer); }
  else say(" · flag stored");
}

// --- differences: one neutral colour on both sides ----------------------------------------------------
function differences() {
  const button = $("[data-do=differences]"), on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", on);
  $("span", button).textContent = on ? "Hide differences" : "Show differences";
  const boxes = $$(".answer .read", form);
  for (const box of boxes) { box.dataset.text ??= box.textContent; box.textContent = box.dataset.text; }
  if (!on || boxes.length < 2) return;
  const right = boxes.find((box) => box.closest(".answer").dataset.of === cells[at].dataset.of && box !== boxes[0]) ?? boxes[1];
  const [a, b] = [boxes[0], right].map((box) => box.dataset.text.match(/\s+|[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) ?? []);
  const [onlyA, onlyB] = unmatched(a, b);
  mark(boxes[0], a, onlyA);
  mark(right, b, onlyB);
}
function unmatched(a, b) { // the longest common subsequence of words; long texts are compared as sets
  if (a.length * b.length > 4e6) { const inA = new Set(a), inB = new Set(b); return [a.map((w) => !inB.has(w)), b.map((w) => !inA.has(w))]; }
  const row = b.length + 1, best = new Uint16Array((a.length + 1) * row);
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--)
    best[i * row + j] = a[i] === b[j] ? best[(i + 1) * row + j + 1] + 1 : Math.max(best[(i + 1) * row + j], best[i * row + j + 1]);
  const only = [a.map(() => true), b.map(() => true)];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) { only[0][i++] = only[1][j++] = false; }
    else if (best[(i + 1) * row + j] >= best[i * row + j + 1]) i++;
    else j++;
  }
  return only;
}
function mark(box, words, only) {
  const pieces = [];
  for (let i = 0; i < words.length;) {
    let end = i;
    while (end < words.length && only[end] === only[i]) end++;
    const text = words.slice(i, end).join("");
    if (only[i] && text.trim()) { const piece = document.createElement("mark"); piece.className = "only"; piece.textContent = text; pieces.push(piece); }
    else pieces.push(text);
    i = end;
  }
  box.replaceChildren(...pieces);
}
function collapse(button) {
  const source = $("#source"), shut = !source.hidden;
  source.hidden = shut;
  button.setAttribute("aria-expanded", !shut);
  button.textContent = shut ? "Expand" : "Collapse";
}

// --- keys -----------------------------------------------------------------------------------------
const steps = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -width, ArrowDown: () => width };
const commands = {
  s: () => $("[data-ask=skip]") && ask("skip"), f: () => ask("flag"), "?": () => $("#keys").showModal(), d: differences, u: undo,
  g: guidelines, c: () => form.elements.comment.focus(), "[": () => page.dataset.previous && show(`${page.dataset.previous}/`),
  "]": () => "next" in page.dataset && show(page.dataset.next ? `${page.dataset.next}/` : ""),
};
function guidelines() { const sheet = $("#guidelines"); if (sheet.open) sheet.close(); else sheet.show(); }
function press(digit) {
  const point = digit === 0 && low > 0 ? 10 : digit, radio = $(`[value="${point}"]`, cells[at]);
  if (!radio) return say(`The scale goes from ${low} to ${high}.`, true);
  radio.checked = true;
  delete cells[at].dataset.missing;
  if (complaining()) say("");
  changed();
  const last = at === cells.length - 1 && cells.every((cell) => scoreOf(cell) !== null);
  if (last && undecided()) $("[name=preference]", form).focus(); // the next digit is the choice, not this score again
  else go(at + 1);
}
function prefer(place) { // in Overall a digit counts the choices from the left; it never touches a score
  const choice = [...form.querySelectorAll("[name=preference]")][place - 1];
  if (!choice) return;
  choice.checked = true;
  choice.focus();
  chosen();
  changed();
}
function chosen() {
  delete $(".prefer", form).dataset.missing;
  if (complaining()) say("");
}
let painted = PerformanceObserver.supportedEntryTypes.includes("paint") ? Infinity : 0; // ms; Infinity until anything is on the screen
const shown = () => { // asked at each key until then, since the browser may be late to tell
  if (painted === Infinity) painted = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Infinity;
  return painted !== Infinity;
};
function unseen(hidden, when) { // who types before an item is shown, and goes on without a pause, has not seen it: all of that is left out
  const still = busy || hidden || when - swallowed < PAUSE;
  if (!still) return false;
  swallowed = when;
  if (!busy) say("Keys typed before this item was shown are not counted", true);
  return true;
}
function keyed(event, hidden = !shown(), when = performance.now()) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const { key, target } = event, number = target.matches("[type=number]");
  if (key === "Escape") { $("#guidelines").close(); if (target.matches("[name=comment], textarea")) target.blur(); return; }
  if ($("dialog:modal") || target.matches("textarea, select, input:not([type=radio], [type=number])")) {
    if (key === "Enter" && target.name === "comment") { event.preventDefault(); submit(); }
    return;
  }
  if (target.matches("[name=preference]") && (key.startsWith("Arrow") || key === " ")) return; // the radios' own keys
  if (!form) { if (key === "u") undo(); return; }
  if (unseen(hidden, when)) return;
  if (target.matches("[name=preference]") && /^[0-9]$/.test(key)) { event.preventDefault(); return prefer(Number(key)); }
  if (!number && /^[0-9]$/.test(key)) press(Number(key));
  else if (key in steps) go(at + steps[key]());
  else if (key === "Enter" && !target.closest("button, a, summary")) { if (number && at < cells.length - 1 && scoreOf(cells[at]) !== null) go(at + 1); else submit(); }
  else if (key in commands && !event.repeat) commands[key]();
  else return;
  event.preventDefault();
}
document.addEventListener("keydown", (event) => keyed(event));
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-ask], [data-show], [data-go], [data-do], #undo button");
  if (!link) return;
  if (link.closest("#undo")) undo();
  else if ("ask" in link.dataset) { event.preventDefault(); if (link.dataset.ask === "keys") $("#keys").showModal(); else ask(link.dataset.ask); }
  else if ("show" in link.dataset) { event.preventDefault(); guidelines(); }
  else if ("go" in link.dataset) { event.preventDefault(); show(link.dataset.go ? `${link.dataset.go}/` : ""); }
  else if (link.dataset.do === "differences") differences();
  else collapse(link);
});
document.addEventListener("input", (event) => {
  if (!form?.contains(event.target) || event.target.name === "shown") return;
  const cell = event.target.closest(".score");
  if (cell) { delete cell.dataset.missing; if (complaining()) say(""); go(cells.indexOf(cell)); }
  if (event.target.name === "preference") chosen();
  changed();
});
document.addEventListener("focusin", (event) => { const cell = event.target.closest?.(".score"); if (cell && form?.contains(cell)) go(cells.indexOf(cell)); });
document.addEventListener("toggle", (event) => { // a correction begins with the answer as it stands
  const area = event.target.matches?.(".correct[open]") && $("textarea", event.target);
  if (area && !area.value) { area.value = textOf(area.name.slice(11)) ?? ""; area.focus(); }
}, true);
document.addEventListener("submit", (event) => {
  if (event.target === form) { event.preventDefault(); submit(); }
  else if ("aside" in event.target.dataset) { event.preventDefault(); aside(event.target); }
});

// --- time: only while the page is visible and has the focus; the heartbeat keeps the item -------------
let before = performance.now();
function tick() {
  const now = performance.now();
  if (form && document.visibilityState === "visible" && document.hasFocus()) seconds += Math.min(2, (now - before) / 1000);
  before = now;
}
setInterval(tick, 1000);
setInterval(() => { if (form && !preview() && page.dataset.revision === "0") post(`${token}/pulse/`); }, 120_000);
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden" && form && draftTimer) sendDraft(0); });
addEventListener("online", () => { offline(false); if (form && storage.get(token)) sendDraft(0); });
addEventListener("offline", () => offline(true));
addEventListener("focus", goOn);
prepare();
shown();
for (const [event, when] of earlyKeys.take()) keyed(event, when < painted, when);
