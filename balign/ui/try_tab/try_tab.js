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

  /* a vote by a press on the sheet, or by its letter */
  const vote = (name) => document.querySelector(`#vote-${name}`)?.click();
  document.addEventListener("click", (event) => {
    const sheet = event.target instanceof Element ? event.target.closest("figure[data-vote]") : null;
    if (sheet) vote(sheet.dataset.vote);
  });
  document.addEventListener("keydown", (event) => {
    const name = { a: "a", b: "b", s: "same" }[event.key];
    const typing = event.target instanceof Element && event.target.matches("input, textarea, select");
    const open = document.querySelector(".ballot")?.offsetParent && !document.querySelector("dialog[open]");
    if (name && open && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) vote(name);
  });

  /* an example prompt goes into the box */
  document.addEventListener("click", (event) => {
    const idea = event.target instanceof Element ? event.target.closest("[data-fill]") : null;
    const box = idea && document.querySelector(idea.dataset.fill)?.querySelector("input, textarea");
    if (!box) return;
    box.value = idea.textContent;
    box.dispatchEvent(new Event("input", { bubbles: true }));
    box.focus();
  });

  window.balignStrength = () => {
    const slider = document.querySelector(SLIDER);
    return slider ? strength(slider) : "";
  };
})();
