/* Compare a pair closely: one dialog for all pairs of the page, with the pictures as they are on disk. */
(() => {
  "use strict";
  const views = { wipe: "Wipe", side: "Side by side", blink: "Blink", difference: "Difference ×4" };
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const notes = { difference: "Black is unchanged; what differs is shown four times as bright." };
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
      <footer><span class="was"></span><span class="said"></span><span class="now"></span></footer>
      <p class="note" role="status"></p>
      <div class="tools"></div>
      <div class="tools way">
        <button type="button" class="previous" title="key P">‹ Previous</button><span class="place"></span>
        <button type="button" class="next" title="key N">Next ›</button>
        <button type="button" class="pixels" aria-pressed="false">Pixels</button>
        <a class="save-before" download>Save before</a><a class="save-after" download>Save after</a>
      </div>`;
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
    dialog.querySelector(".previous").addEventListener("click", () => go(-1));
    dialog.querySelector(".next").addEventListener("click", () => go(1));
    dialog.querySelector(".pixels").addEventListener("click", (event) => {
      const on = dialog.classList.toggle("pixelated");
      event.currentTarget.setAttribute("aria-pressed", on);
    });
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => {
      document.documentElement.classList.remove("comparing");
      shown?.focus();
    });
    document.addEventListener("keydown", (event) => dialog.open && keys(event));
    window.balignTold(dialog);
    document.body.append(dialog);
  }

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const name = Object.keys(views).find((view) => view[0] === event.key.toLowerCase());
    if (name) show(name);
    const by = { ArrowDown: 1, ArrowUp: -1, n: 1, p: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    go(by);
  }

  const pairs = () => [...document.querySelectorAll("button.pair")].filter((each) => each.offsetParent); // of this tab

  function go(by) {
    const all = pairs();
    fill(all[(all.indexOf(shown) + by + all.length) % all.length]);
  }

  function show(name) {
    dialog.dataset.view = name;
    for (const button of dialog.querySelectorAll("[data-show]")) {
      button.setAttribute("aria-pressed", button.dataset.show === name);
    }
    const still = name === "blink" && calm.matches; // nothing moves by itself: each press changes sides
    if (still) dialog.classList.toggle("other");
    dialog.querySelector(".note").textContent = still ? "Press Blink again to change sides." : notes[name] || "";
    // what is hidden cannot hold the focus
    if (dialog.open) dialog.querySelector(name === "wipe" ? "input" : `[data-show=${name}]`).focus();
  }

  function fill(pair) {
    shown = pair;
    const text = (part, words) => {
      dialog.querySelector(part).textContent = words;
    };
    const all = pairs();
    const group = pair.closest(".group")?.querySelector("h3 .key")?.textContent || "";
    for (const [k, side] of ["before", "after"].entries()) {
      const source = pair.querySelectorAll("img")[k].src;
      dialog.querySelector(`.${side}`).src = source;
      dialog.querySelector(`.save-${side}`).href = source;
      dialog.querySelector(`.save-${side}`).download = `seed-${pair.dataset.seed}-${side}.png`;
    }
    text(".what", `${pair.dataset.prompt} · seed ${pair.dataset.seed}`);
    text(".was", `before ${pair.dataset.was}`);
    text(".now", `after ${pair.dataset.now}`);
    text(".said", pair.querySelector(".chip")?.textContent || "");
    text(".place", `${all.indexOf(pair) + 1} of ${all.length}${group ? ` · ${group}` : ""}`);
    dialog.setAttribute("aria-label", `Before and after: ${pair.dataset.prompt}`);
  }

  document.addEventListener("click", (event) => {
    const pair = event.target instanceof Element ? event.target.closest("button.pair") : null;
    if (!pair) return;
    if (!dialog) build();
    fill(pair);
    document.documentElement.classList.add("comparing");
    dialog.showModal();
    show(dialog.dataset.view || "wipe");
  });

  /* a wipe that stands in the page: by its slider, or by drawing over it */
  const wipe = (range) => range.closest(".wipe").style.setProperty("--cut", `${range.value}%`);
  document.addEventListener("input", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.matches(".wipe input")) wipe(event.target);
  });
  const drawOver = (event) => {
    const stage = event.target instanceof Element ? event.target.closest(".wipe .stage") : null;
    if (!stage || (event.type === "pointermove" && event.pointerType !== "mouse" && !event.buttons)) return;
    const box = stage.getBoundingClientRect();
    const range = stage.parentElement.querySelector("input");
    range.value = (100 * (event.clientX - box.left)) / box.width;
    wipe(range);
  };
  for (const name of ["pointerdown", "pointermove"]) document.addEventListener(name, drawOver);
})();
