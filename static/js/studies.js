// A study's page: its questions are asked in a modal dialog; without this script the links open the same dialog in place.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-confirm], [data-dismiss]");
  if (!link) return;
  const dialog = link.dataset.confirm ? document.getElementById(`confirm-${link.dataset.confirm}`) : link.closest("dialog");
  if (!dialog) return;
  event.preventDefault();
  if (!link.dataset.confirm) return dialog.close();
  dialog.close();
  dialog.showModal();
});
