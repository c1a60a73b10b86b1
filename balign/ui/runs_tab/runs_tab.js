/* Which runs are ticked in the Runs tab. The list is made anew while runs go on, and its ticks are put back by run. */
(() => {
  "use strict";
  const ticked = new Set();
  let watched = null;
  const boxes = () => document.querySelectorAll("#part-shelf input.choose");
  const restore = () => {
    for (const box of boxes()) box.checked = ticked.has(box.value);
  };

  document.addEventListener("change", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || !box.matches("#part-shelf input.choose")) return;
    if (box.checked) ticked.add(box.value);
    else ticked.delete(box.value);
    const list = document.getElementById("part-shelf");
    if (list === watched) return;
    watched = list;
    new MutationObserver(restore).observe(list, { subtree: true, childList: true, attributeFilter: ["value"] });
  });

  window.balignTicked = () => {
    const here = [...boxes()].map((box) => box.value); // in the order of the list; a run that is not shown is not meant
    return here.filter((id) => ticked.has(id)).join(" ");
  };
})();
