/* Which runs are selected in the Runs tab. The list is sent again while runs go on; selection is put back by run. */
(() => {
  "use strict";
  const LIST = "part-run-list";
  const selected = new Set();
  let watched = null;
  const boxes = () => document.querySelectorAll(`#${LIST} input.choose`);
  const restore = () => {
    for (const box of boxes()) box.checked = selected.has(box.value);
  };

  document.addEventListener("change", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || !box.matches(`#${LIST} input.choose`)) return;
    if (box.checked) selected.add(box.value);
    else selected.delete(box.value);
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
