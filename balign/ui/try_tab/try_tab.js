/* The strength slider shows one of the frames that are already in the page; the server is not asked. */
(() => {
  "use strict";
  const SLIDER = ".strength input[type=range]";
  const strength = (slider) => slider.dataset.values.split(" ")[Number(slider.value)];

  document.addEventListener("input", (event) => {
    const slider = event.target;
    if (!(slider instanceof HTMLInputElement) || !slider.matches(SLIDER)) return;
    for (const part of slider.closest(".strength").querySelectorAll("[data-frame]")) {
      part.loading = "eager"; // from the first move on every frame is fetched, so that none is waited for
      part.hidden = part.dataset.frame !== slider.value;
    }
    slider.setAttribute("aria-valuetext", strength(slider));
  });

  window.balignStrength = () => {
    const slider = document.querySelector(SLIDER);
    return slider ? strength(slider) : "";
  };
})();
