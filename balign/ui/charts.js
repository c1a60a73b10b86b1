/* Charts: values under the pointer, a finger or the arrow keys, at one place in all of them; zoom, smoothing, svg. */
(() => {
  "use strict";
  const WIDTH = 1000;
  const HEIGHT = 300;
  const tip = Object.assign(document.createElement("div"), { id: "tip", hidden: true });
  tip.setAttribute("role", "status");
  const state = { from: 0, to: 1, smooth: null };
  let dragged = null;
  const closest = (event, what) => (event.target instanceof Element ? event.target.closest(what) : null);
  const plots = (chart) => [...(chart.closest(".charted") || chart).querySelectorAll(".canvas svg[data-end]")];
  const near = (points, at) => points.reduce((a, b) => (Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a));
  const points = (path) => {
    const pairs = (path?.getAttribute("d") || "").slice(1).split("L").filter(Boolean);
    return pairs.map((pair) => pair.split(" ").map(Number));
  };

  /* the value of every line of a chart at a place, 0 to 1000 */
  function values(svg, at) {
    const { low, high } = svg.dataset;
    return [...svg.querySelectorAll("path.line")].flatMap((line) => {
      const drawn = points(line);
      if (!drawn.length) return [];
      const value = Number(high) - (near(drawn, at)[1] / HEIGHT) * (high - low);
      return [`${line.dataset.name} ${value.toPrecision(3)}`];
    });
  }

  /* what the ledger says of the step at a place; its bars start at whole columns */
  function ledger(part, at) {
    const strip = part?.querySelector(".strip");
    if (!strip) return [];
    const column = Math.min(Math.floor((at / WIDTH) * strip.viewBox.baseVal.width), strip.viewBox.baseVal.width - 1);
    return [
      ["promised", 0],
      ["found", 12],
    ].flatMap(([word, y]) => {
      const bar = `M${column}.1 ${y}h`;
      const hit = [...strip.querySelectorAll("path")].find((path) => path.getAttribute("d").includes(bar));
      return hit ? [`${word} ${hit.classList.contains("held") ? "to hurt neither" : "to hurt one"}`] : [];
    });
  }

  /* a line through all charts at this place of one of them, and their values in one box */
  function read(svg, at, x, y) {
    const all = plots(svg);
    const charts = all.includes(svg) ? all : [svg];
    const words = charts.flatMap((each) => values(each, at));
    tip.hidden = !words.length;
    for (const each of charts) each.parentElement.style.setProperty("--at", `${100 * share(at)}%`);
    for (const each of charts) each.parentElement.classList.toggle("read", !tip.hidden);
    if (tip.hidden) return;
    if (!tip.isConnected) document.body.append(tip);
    const step = Math.round((at / WIDTH) * svg.dataset.end);
    words.push(...ledger(svg.closest(".training-charts"), at));
    tip.textContent = `${svg.dataset.unit} ${step}: ${words.join(", ")}`;
    tip.style.top = `${Math.max(y - tip.offsetHeight - 14, 4)}px`;
    tip.style.left = `${Math.max(4, Math.min(x + 12, window.innerWidth - tip.offsetWidth - 6))}px`;
  }

  function leave() {
    tip.hidden = true;
    for (const each of document.querySelectorAll(".canvas.read")) each.classList.remove("read");
  }

  const share = (at) => (at / WIDTH - state.from) / (state.to - state.from);
  const place = (svg, x) => {
    const box = svg.getBoundingClientRect();
    const inside = Math.min(1, Math.max(0, (x - box.left) / box.width));
    return zoomed(svg) ? WIDTH * (state.from + inside * (state.to - state.from)) : WIDTH * inside;
  };
  const zoomed = (svg) => svg.closest(".charted") !== null;

  document.addEventListener("pointermove", (event) => {
    const svg = closest(event, ".canvas")?.querySelector("svg[data-end]");
    if (!svg) return event.pointerType === "touch" ? undefined : leave();
    read(svg, place(svg, event.clientX), event.clientX, event.clientY);
  });
  document.addEventListener("pointerdown", (event) => {
    const svg = closest(event, ".canvas")?.querySelector("svg[data-end]");
    if (!svg) return leave();
    const at = place(svg, event.clientX);
    dragged = zoomed(svg) && event.pointerType !== "touch" ? { svg, at } : null;
    read(svg, at, event.clientX, event.clientY);
  });
  document.addEventListener("pointerup", (event) => {
    if (!dragged) return;
    const [a, b] = [dragged.at, place(dragged.svg, event.clientX)].sort((p, q) => p - q);
    dragged = null;
    if (b - a > 20 * (state.to - state.from)) zoom(a / WIDTH, b / WIDTH);
  });
  document.addEventListener("dblclick", (event) => closest(event, ".charted .canvas") && zoom(0, 1));

  document.addEventListener("keydown", (event) => {
    const canvas = closest(event, ".canvas");
    const svg = canvas?.querySelector("svg[data-end]");
    if (!svg || event.target !== canvas) return;
    if (event.key === "Escape") return leave();
    if (zoomed(svg) && "+-0".includes(event.key)) return nearer(canvas, event.key);
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: 10, PageDown: -10, Home: -1e9, End: 1e9 }[event.key];
    if (!by) return;
    event.preventDefault();
    const step = WIDTH / svg.dataset.end;
    const was = Number(canvas.dataset.at ?? WIDTH * state.from);
    const at = Math.min(WIDTH * state.to, Math.max(WIDTH * state.from, was + by * step));
    canvas.dataset.at = at;
    const box = svg.getBoundingClientRect();
    read(svg, at, box.left + box.width * share(at), box.top);
  });
  document.addEventListener("focusout", (event) => closest(event, ".canvas") && leave());

  /* zoom by keys: half or twice as near around what is read */
  function nearer(canvas, key) {
    if (key === "0") return zoom(0, 1);
    const middle = Number(canvas.dataset.at ?? (WIDTH * (state.from + state.to)) / 2) / WIDTH;
    const width = (state.to - state.from) * (key === "+" ? 0.5 : 2);
    zoom(Math.max(0, middle - width / 2), Math.min(1, middle + width / 2));
  }

  function zoom(from, to) {
    Object.assign(state, { from, to });
    leave();
    apply();
  }

  /* an exponential moving average over so many points, corrected for its start */
  function smoothed(raw, over) {
    const weight = 2 / (over + 1);
    let [total, norm] = [0, 0];
    return raw.map(([x, y]) => {
      total += weight * (y - total);
      norm += weight * (1 - norm);
      return [x, total / norm];
    });
  }

  /* bring what the server sent to the chosen zoom and smoothing; what is right already is not touched */
  function apply() {
    for (const svg of document.querySelectorAll(".charted .canvas svg[data-end]")) {
      const box = `${WIDTH * state.from} 0 ${WIDTH * (state.to - state.from)} ${HEIGHT}`;
      if (svg.getAttribute("viewBox") !== box) svg.setAttribute("viewBox", box);
      const ends = svg.closest(".plot").querySelectorAll(".xs span");
      const steps = [state.from, state.to].map((share) => Math.round(share * svg.dataset.end).toLocaleString("en"));
      [ends[0], ends[2]].forEach((label, k) => {
        if (label && label.textContent !== steps[k]) label.textContent = steps[k];
      });
      for (const raw of state.smooth === null ? [] : svg.querySelectorAll("path.raw")) {
        const drawn = points(raw);
        const line = raw.nextElementSibling;
        if (!drawn.length || !line) continue;
        const part = smoothed(drawn, Math.max(1, (state.smooth / 100) * drawn.length));
        const d = `M${part.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;
        if (line.getAttribute("d") !== d) line.setAttribute("d", d);
      }
    }
    for (const button of document.querySelectorAll("button.whole")) button.hidden = state.from === 0 && state.to === 1;
  }
  document.addEventListener("input", (event) => {
    if (!closest(event, "input.smoothing")) return;
    state.smooth = Number(event.target.value);
    apply();
  });

  /* a chart as a file of its own, with its colours in it */
  function save(figure) {
    const svg = figure.querySelector("svg");
    const copy = svg.cloneNode(true);
    const styled = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "vector-effect"];
    svg.querySelectorAll("*").forEach((from, k) => {
      const style = getComputedStyle(from);
      for (const name of styled) copy.querySelectorAll("*")[k].setAttribute(name, style.getPropertyValue(name));
    });
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.setAttribute("width", WIDTH);
    copy.setAttribute("height", HEIGHT);
    const file = new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file) });
    link.download = `${figure.querySelector("figcaption b").textContent.replace(/\W+/g, "-").toLowerCase()}.svg`;
    link.click();
    URL.revokeObjectURL(link.href);
  }
  document.addEventListener("click", (event) => {
    const button = closest(event, "button.svg");
    if (button) save(button.closest("figure"));
    if (closest(event, "button.whole")) zoom(0, 1);
  });

  let watched = null;
  new MutationObserver(() => {
    const part = document.getElementById("part-live");
    if (!part || part === watched) return;
    watched = part;
    new MutationObserver(apply).observe(part, { subtree: true, childList: true, attributeFilter: ["d", "viewBox"] });
  }).observe(document, { subtree: true, childList: true });
})();
