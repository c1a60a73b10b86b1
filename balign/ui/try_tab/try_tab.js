/* The strength scrub: the slider shows one of the frames that are already in the page, and no server is asked. */
(() => {
  "use strict";
  const slider = () => document.querySelector(".scrub input[type=range]");
  const value = (range) => range.dataset.values.split(" ")[Number(range.value)];

  document.addEventListener("input", (event) => {
    const range = event.target;
    if (!(range instanceof HTMLInputElement) || !range.matches(".scrub input[type=range]")) return;
    for (const part of range.closest(".scrub").querySelectorAll("[data-frame]")) {
      part.loading = "eager"; // from the first move on every frame is fetched, so that none is waited for
      part.hidden = part.dataset.frame !== range.value;
    }
    range.setAttribute("aria-valuetext", value(range));
  });

  window.balignStrength = () => (slider() ? value(slider()) : "");
})();
