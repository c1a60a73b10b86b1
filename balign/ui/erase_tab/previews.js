/* The preview strip: the slider chooses which step is shown. At the last frame it goes on with the run. */
(() => {
  "use strict";
  let chosen = null; // the step somebody went to, and its run; null follows the newest
  let watched = null;

  /* Show the chosen step, or the newest; what is right already is not touched, so that no change calls for another. */
  function apply() {
    const strip = document.querySelector("#part-previews .previews");
    if (!strip) return;
    const frames = [...strip.querySelectorAll(".frames li")];
    const range = strip.querySelector("input.slider");
    if (!frames.length || !range) return;
    const held = chosen && chosen.run === strip.dataset.run;
    let at = frames.length - 1;
    while (held && at > 0 && Number(frames[at].dataset.step) > chosen.step) at -= 1;
    frames.forEach((frame, k) => {
      const name = k === at ? "shown" : "past";
      if (frame.className !== name) frame.className = name;
    });
    if (range.value !== String(at)) range.value = at;
    const when = frames[at].dataset.when;
    if (range.getAttribute("aria-valuetext") !== when) range.setAttribute("aria-valuetext", when);
  }

  function watch() {
    const part = document.getElementById("part-previews");
    if (!part || part === watched) return;
    watched = part;
    const attributeFilter = ["class", "max", "value"];
    new MutationObserver(apply).observe(part, { subtree: true, childList: true, attributeFilter });
  }

  document.addEventListener("input", (event) => {
    const range = event.target;
    if (!(range instanceof HTMLInputElement) || !range.matches("#part-previews input.slider")) return;
    const strip = range.closest(".previews");
    const frames = strip.querySelectorAll(".frames li");
    const at = Number(range.value);
    chosen = at >= frames.length - 1 ? null : { run: strip.dataset.run, step: Number(frames[at].dataset.step) };
    watch();
    apply();
  });
})();
