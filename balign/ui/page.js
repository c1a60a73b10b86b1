/* What the page does without asking the server: light and dark, ways to a place, links to copy, what stays unfolded. */
(() => {
  "use strict";
  const dark = (on) => document.body.classList.toggle("dark", on);
  const closest = (event, what) => (event.target instanceof Element ? event.target.closest(what) : null);

  function startTheme() {
    try {
      const remembered = localStorage.getItem("balign-theme");
      if (remembered && !new URLSearchParams(location.search).has("__theme")) dark(remembered === "dark");
    } catch {} // a private window remembers nothing
  }

  /* a text in the visitor's language, from the table that gradio has of it */
  const language = navigator.language.split("-")[0];
  window.balignSaid = (text) => window.gradio_config?.i18n_translations?.[language]?.[text] ?? text;
  if (window.gradio_config?.i18n_translations?.[language]) document.documentElement.lang = language;

  /* the same for all texts in an element */
  window.balignTold = (element) => {
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.data = window.balignSaid(texts.currentNode.data);
    for (const each of element.querySelectorAll("[aria-label], [alt]")) {
      for (const name of ["aria-label", "alt"]) {
        if (each.hasAttribute(name)) each.setAttribute(name, window.balignSaid(each.getAttribute(name)));
      }
    }
  };

  document.addEventListener("click", (event) => {
    if (closest(event, "button.theme")) {
      const now = !document.body.classList.contains("dark");
      dark(now);
      try {
        localStorage.setItem("balign-theme", now ? "dark" : "light");
      } catch {} // a private window remembers nothing
      return;
    }
    const copy = closest(event, "[data-copy]");
    if (copy) copied(copy);
    if (!closest(event, "details.menu")) fold("details.menu[open]");
    const way = closest(event, "[data-go]");
    if (way) window.balignGo(way.dataset.go, way.dataset.place || "[role=tabpanel]");
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && fold("details.menu[open]"));

  /* a menu closes when something else is pressed */
  function fold(what) {
    for (const each of document.querySelectorAll(what)) {
      unfolded.delete(each.dataset.keep);
      each.open = false;
    }
  }

  /* the address behind a button, whole, into the clipboard; where there is none, into a field to copy it from */
  async function copied(button) {
    const address = new URL(button.dataset.copy, location.href).href;
    try {
      await navigator.clipboard.writeText(address);
      button.textContent = window.balignSaid("Copied");
    } catch {
      const field = Object.assign(document.createElement("input"), { value: address, readOnly: true });
      field.setAttribute("aria-label", window.balignSaid("Link to this run"));
      button.after(field);
      field.select();
    }
  }

  /* go to a place in a tab; its content may come a moment later */
  window.balignGo = (tab, place) => {
    document.querySelector(`[role=tab][data-tab-id="${tab.toLowerCase()}"]`)?.click();
    let tries = 40;
    const look = () => {
      const found = document.querySelector(place);
      if (!found?.offsetParent) {
        if (tries--) setTimeout(look, 100);
        return;
      }
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      found.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
      (found.matches("button, input, textarea, [tabindex]") ? found : found.querySelector("input, textarea"))?.focus({
        preventScroll: true,
      });
    };
    setTimeout(look, 50);
  };

  /* gradio opens a list when it gets the focus: after Escape it has it already, and a click would do nothing */
  document.addEventListener("click", (event) => {
    const box = closest(event, "input[role=combobox][aria-expanded=false]");
    if (!box || document.activeElement !== box) return;
    box.blur();
    box.focus();
  });

  /* what is unfolded stays so when the server sends the part again */
  const unfolded = new Set();
  const restore = () => {
    for (const each of document.querySelectorAll("details[data-keep]")) {
      if (unfolded.has(each.dataset.keep) && !each.open) each.open = true;
    }
  };
  document.addEventListener("click", (event) => {
    const folds = closest(event, "details[data-keep] > summary")?.parentElement;
    if (!folds) return;
    // open as it is before the click
    if (folds.open) unfolded.delete(folds.dataset.keep);
    else unfolded.add(folds.dataset.keep);
  });

  /* gradio's accordions do not say whether they are open, except by a class */
  const tellOpen = () => {
    for (const button of document.querySelectorAll("button.label-wrap")) {
      const open = String(button.classList.contains("open"));
      if (button.getAttribute("aria-expanded") !== open) button.setAttribute("aria-expanded", open);
    }
  };
  new MutationObserver(() => {
    tellOpen();
    restore();
  }).observe(document, { subtree: true, childList: true, attributeFilter: ["open"] });
  document.addEventListener("click", (event) => closest(event, "button.label-wrap") && requestAnimationFrame(tellOpen));

  if (document.body) startTheme();
  else document.addEventListener("DOMContentLoaded", startTheme);
  window.addEventListener("load", startTheme);
})();
