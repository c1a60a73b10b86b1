/* Which runs are selected in the Runs tab. The list is sent again while runs go on; selection is put back by run. */
(() => {
  "use strict";
  const LIST = "part-run-list";
  const ACTS = [
    ["compare", 2, 8],
    ["use", 1, 1],
    ["delete", 1, 200],
  ]; // and of how many runs each can be asked
  const selected = new Set();
  let watched = null;
  const boxes = () => document.querySelectorAll(`#${LIST} input.choose`);
  const restore = () => {
    for (const box of boxes()) box.checked = selected.has(box.value);
    tell();
  };

  /* how many are selected, beside what can be done with them */
  function tell() {
    const count = [...boxes()].filter((box) => box.checked).length;
    const column = document.querySelector(".runs");
    if (column && column.dataset.selected !== String(count)) column.dataset.selected = count;
    for (const [name, least, most] of ACTS) {
      const button = document.getElementById(`runs-${name}`);
      if (!button) continue;
      const told = count ? ` ${count}` : "";
      if ((button.dataset.count || "") !== told) button.dataset.count = told;
      button.classList.toggle("unable", count < least || count > most);
    }
  }

  document.addEventListener("change", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || !box.matches(`#${LIST} input.choose`)) return;
    if (box.checked) selected.add(box.value);
    else selected.delete(box.value);
    tell();
    const list = document.getElementById(LIST);
    if (list === watched) return;
    watched = list;
    new MutationObserver(restore).observe(list, { subtree: true, childList: true, attributeFilter: ["value"] });
  });

  window.balignSelected = () => {
    const listed = [...boxes()].map((box) => box.value); // in the order of the list, and only runs that are shown
    return listed.filter((id) => selected.has(id)).join(" ");
  };
})();
