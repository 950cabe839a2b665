// Review by key: each control names its keys in data-key. A field takes the focus, everything else is clicked; where a
// control has no place, an element with data-says tells why.
// While one types only Escape (leave) and Ctrl+Enter (send) mean something. Enter in data-sends is that button.
const typing = (element) => element.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
const keyed = (key) => [...document.querySelectorAll("[data-key]")].find((element) => element.dataset.key.split(" ").includes(key));

function inField(event, field) {
  if (event.key === "Escape") {
    field.blur();
    field.form?.querySelector("[data-leave]")?.click();
  } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    field.form?.requestSubmit();
  } else if (event.key === "Enter" && field.dataset.sends) {
    event.preventDefault();
    document.getElementById(field.dataset.sends).click();
  }
}

addEventListener("keydown", (event) => {
  const field = typing(event.target);
  if (field) return inField(event, field);
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")?.matches(":modal")) return;
  const control = keyed(event.key);
  if (!control || (event.key === "Enter" && event.target.closest("a, button, summary"))) return;
  event.preventDefault();
  if (event.repeat) return; // a held key decides about one example, not about ten
  if (control.dataset.says) say(control.dataset.says);
  else if (control.matches("input, textarea")) control.focus({ preventScroll: Boolean(control.closest(".dock")) });
  else control.click();
});

let silence;
function say(words) {
  const said = document.getElementById("said");
  clearTimeout(silence);
  said.textContent = words;
  silence = setTimeout(() => { said.textContent = ""; }, 5_000);
}

// Others are told that somebody is here: the lease of the example is kept as long as the page is open.
const page = document.querySelector("[data-hold]");
async function hold() {
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const answer = await fetch(page.dataset.hold, { method: "POST", headers: { "X-CSRFToken": token } }).catch(() => null);
  if (!answer?.ok) return;
  const { holder } = await answer.json();
  const note = document.getElementById("held");
  note.hidden = !holder;
  note.querySelector("[data-holder]").textContent = holder;
}
if (page) {
  hold();
  setInterval(hold, 30_000);
  const edited = document.querySelector("#editing [name=output]");
  edited?.focus({ preventScroll: true });
}
