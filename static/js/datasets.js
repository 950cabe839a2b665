// Review by key: each control names its key in data-key. Silent while one types.
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable]")) return;
  const control = [...document.querySelectorAll("[data-key]")].find((element) => element.dataset.key === event.key);
  if (!control) return;
  event.preventDefault();
  control.click();
});
