/* What the page does without asking the server: light and dark, reading values off a chart, comparing a pair. */
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

  document.addEventListener("click", (event) => {
    if (closest(event, "button.theme")) {
      const now = !document.body.classList.contains("dark");
      dark(now);
      try {
        localStorage.setItem("balign-theme", now ? "dark" : "light");
      } catch {} // a private window remembers nothing
      return;
    }
    const pair = closest(event, "button.pair");
    if (pair) open(pair);
  });

  /* charts: the value of every line at the step under the pointer */
  const tip = Object.assign(document.createElement("div"), { id: "tip", hidden: true });
  document.addEventListener("pointermove", (event) => {
    const svg = closest(event, ".canvas")?.querySelector("svg");
    const words = [];
    let place = "";
    for (const line of svg ? svg.querySelectorAll("path.line") : []) {
      const pairs = (line.getAttribute("d") || "").slice(1).split("L").filter(Boolean);
      const points = pairs.map((pair) => pair.split(" ").map(Number));
      if (!points.length) continue;
      const box = svg.getBoundingClientRect();
      const { unit, end, low, high } = svg.dataset;
      const at = ((event.clientX - box.left) / box.width) * 1000;
      const near = points.reduce((best, p) => (Math.abs(p[0] - at) < Math.abs(best[0] - at) ? p : best));
      place = `${unit} ${Math.round((near[0] / 1000) * end)}`;
      const value = Number(high) - (near[1] / 300) * (high - low);
      words.push(`${line.dataset.name} ${value.toPrecision(3)}`);
    }
    tip.hidden = !words.length;
    if (tip.hidden) return;
    if (!tip.isConnected) document.body.append(tip);
    tip.textContent = `${place}: ${words.join(", ")}`;
    tip.style.top = `${Math.max(event.clientY - 38, 4)}px`;
    tip.style.left = `${Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 6)}px`;
  });

  /* comparison: one dialog for all pairs, with the pictures as they are on disk */
  const views = { wipe: "Wipe", side: "Side by side", blink: "Blink", difference: "Difference ×4" };
  let dialog = null;
  let shown = null;

  function build() {
    dialog = Object.assign(document.createElement("dialog"), { id: "compare" });
    dialog.innerHTML = `
      <header><p class="what"></p><button type="button" class="close">Close</button></header>
      <div class="stage">
        <img class="before" alt="Before" draggable="false"><img class="after" alt="After" draggable="false">
      </div>
      <input type="range" min="0" max="100" step="1" value="50" aria-label="How much of the picture is before">
      <footer><span class="was"></span><span class="now"></span></footer>
      <div class="tools"></div>`;
    const [stage, range, close] = [".stage", "input", ".close"].map((part) => dialog.querySelector(part));
    const cut = () => dialog.style.setProperty("--cut", `${range.value}%`);
    const drag = (event) => {
      if (dialog.dataset.view !== "wipe" || (event.type === "pointermove" && !event.buttons)) return;
      const box = stage.getBoundingClientRect();
      range.value = Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width));
      cut();
    };
    range.addEventListener("input", cut);
    for (const name of ["pointerdown", "pointermove"]) stage.addEventListener(name, drag);
    for (const [name, textContent] of Object.entries(views)) {
      const title = `key ${name[0].toUpperCase()}`;
      const button = Object.assign(document.createElement("button"), { type: "button", textContent, title });
      button.dataset.show = name;
      button.addEventListener("click", () => show(name));
      dialog.querySelector(".tools").append(button);
    }
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => shown?.focus());
    document.addEventListener("keydown", (event) => dialog.open && keys(event));
    document.body.append(dialog);
  }

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const name = Object.keys(views).find((view) => view[0] === event.key.toLowerCase());
    if (name) show(name);
    const by = { ArrowDown: 1, ArrowUp: -1, n: 1, p: -1 }[event.key];
    if (by) {
      event.preventDefault();
      const all = [...document.querySelectorAll("button.pair")].filter((each) => each.offsetParent); // of this tab
      fill(all[(all.indexOf(shown) + by + all.length) % all.length]);
    }
  }

  function show(name) {
    dialog.dataset.view = name;
    for (const button of dialog.querySelectorAll("[data-show]")) {
      button.setAttribute("aria-pressed", button.dataset.show === name);
    }
    // what is hidden cannot hold the focus
    if (dialog.open) dialog.querySelector(name === "wipe" ? "input" : `[data-show=${name}]`).focus();
  }

  function fill(pair) {
    shown = pair;
    const [before, after] = pair.querySelectorAll("img");
    dialog.querySelector(".before").src = before.src;
    dialog.querySelector(".after").src = after.src;
    dialog.querySelector(".what").textContent = `${pair.dataset.prompt} · seed ${pair.dataset.seed}`;
    dialog.querySelector(".was").textContent = `before ${pair.dataset.was}`;
    dialog.querySelector(".now").textContent = `after ${pair.dataset.now}`;
    dialog.setAttribute("aria-label", `Before and after: ${pair.dataset.prompt}`);
  }

  function open(pair) {
    if (!dialog) build();
    fill(pair);
    dialog.showModal();
    show(dialog.dataset.view || "wipe");
  }

  /* gradio's accordions do not say whether they are open, except by a class */
  const tellOpen = () => {
    for (const button of document.querySelectorAll("button.label-wrap")) {
      const open = String(button.classList.contains("open"));
      if (button.getAttribute("aria-expanded") !== open) button.setAttribute("aria-expanded", open);
    }
  };
  new MutationObserver(tellOpen).observe(document, { subtree: true, childList: true });
  document.addEventListener("click", (event) => closest(event, "button.label-wrap") && requestAnimationFrame(tellOpen));

  if (document.body) startTheme();
  else document.addEventListener("DOMContentLoaded", startTheme);
  window.addEventListener("load", startTheme);
})();
