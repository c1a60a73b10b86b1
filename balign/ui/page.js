/* What the page does without asking the server: light and dark, reading values off a chart, comparing a pair. */
(() => {
  "use strict";
  const remembered = (() => { try { return localStorage.getItem("balign-theme"); } catch { return null; } })();
  const dark = (on) => document.body.classList.toggle("dark", on);
  const closest = (event, what) => (event.target instanceof Element ? event.target.closest(what) : null);

  function startTheme() {
    if (remembered && !new URLSearchParams(location.search).has("__theme")) dark(remembered === "dark");
  }

  document.addEventListener("click", (event) => {
    if (closest(event, "button.theme")) {
      const now = !document.body.classList.contains("dark");
      dark(now);
      try { localStorage.setItem("balign-theme", now ? "dark" : "light"); } catch { /* private window: not remembered */ }
      return;
    }
    const pair = closest(event, "button.pair");
    if (pair) open(pair);
  });

  /* charts: the value of every line at the step under the pointer */
  const tip = Object.assign(document.createElement("div"), { id: "tip", hidden: true });
  document.addEventListener("pointermove", (event) => {
    const canvas = closest(event, ".canvas");
    const svg = canvas && canvas.querySelector("svg");
    if (!svg) { tip.hidden = true; return; }
    const box = svg.getBoundingClientRect();
    const { end, low, high } = svg.dataset;
    const at = ((event.clientX - box.left) / box.width) * 1000;
    let step = null;
    const words = [];
    for (const line of svg.querySelectorAll("path.line")) {
      const points = (line.getAttribute("d") || "").slice(1).split("L").filter(Boolean).map((p) => p.split(" ").map(Number));
      if (!points.length) continue;
      const near = points.reduce((best, p) => (Math.abs(p[0] - at) < Math.abs(best[0] - at) ? p : best));
      step = Math.round((near[0] / 1000) * end);
      const value = Number(high) - (near[1] / 300) * (high - low);
      words.push(`${line.dataset.name} ${value.toPrecision(3)}`);
    }
    if (step === null) { tip.hidden = true; return; }
    if (!tip.isConnected) document.body.append(tip);
    tip.textContent = `step ${step}: ${words.join(", ")}`;
    tip.hidden = false;
    tip.style.top = `${Math.max(event.clientY - 38, 4)}px`;
    tip.style.left = `${Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 6)}px`;
  });

  /* comparison: one dialog for all pairs, with the pictures as they are on disk */
  const views = { wipe: "Wipe", side: "Side by side", blink: "Blink", difference: "Difference ×4" };
  let dialog = null;
  let shown = null;

  function make(tag, props = {}, children = []) {
    const element = Object.assign(document.createElement(tag), props);
    element.append(...children);
    return element;
  }

  function build() {
    const range = make("input", { type: "range", min: 0, max: 100, step: 1, value: 50 });
    range.setAttribute("aria-label", "How much of the picture is before");
    range.addEventListener("input", () => dialog.style.setProperty("--cut", `${range.value}%`));
    const stage = make("div", { className: "stage" }, [
      make("img", { className: "before", alt: "Before", draggable: false }), make("img", { className: "after", alt: "After", draggable: false })]);
    const drag = (event) => {
      if (dialog.dataset.view !== "wipe" || (event.type === "pointermove" && !event.buttons)) return;
      const box = stage.getBoundingClientRect();
      range.value = Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width));
      dialog.style.setProperty("--cut", `${range.value}%`);
    };
    stage.addEventListener("pointerdown", drag);
    stage.addEventListener("pointermove", drag);
    const tools = Object.entries(views).map(([name, text]) => {
      const button = make("button", { type: "button", textContent: text, title: `key ${name[0].toUpperCase()}` });
      button.dataset.show = name;
      button.addEventListener("click", () => show(name));
      return button;
    });
    const close = make("button", { type: "button", textContent: "Close" });
    close.addEventListener("click", () => dialog.close());
    dialog = make("dialog", { id: "compare" }, [
      make("header", {}, [make("p", { className: "what" }), close]), stage, range,
      make("footer", {}, [make("span", { className: "was" }), make("span", { className: "now" })]),
      make("div", { className: "tools" }, tools)]);
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => shown && shown.focus());
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
      const all = [...document.querySelectorAll("button.pair")].filter((each) => each.offsetParent); // those of this tab
      fill(all[(all.indexOf(shown) + by + all.length) % all.length]);
    }
  }

  function show(name) {
    dialog.dataset.view = name;
    for (const button of dialog.querySelectorAll("[data-show]")) button.setAttribute("aria-pressed", button.dataset.show === name);
    if (dialog.open) dialog.querySelector(name === "wipe" ? "input" : `[data-show=${name}]`).focus(); // what is hidden cannot hold it
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
