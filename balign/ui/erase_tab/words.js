/* The words to choose from: a press writes one into Erase or takes it out; what is typed narrows them to what is near.
   The words stand in the page, by kind, and all of this is done with what stands there. */
(() => {
  "use strict";
  const MOST = 6;
  const clean = (text) => text.trim().toLowerCase();
  const box = () => document.querySelector("#field-erase :is(textarea, input)");
  const all = () => [...document.querySelectorAll(".vocabulary .all button")];
  const names = (word) => [word.textContent, ...(word.dataset.also ?? "").split("|")].filter(Boolean).map(clean);
  const parts = (text) => text.split(/[,;\uff0c\u3001]/).map((part) => part.trim());

  /* How many letters differ: put in, left out, changed, or swapped with the next. */
  function distance(a, b) {
    const rows = [[...Array(b.length + 1).keys()]];
    for (let i = 1; i <= a.length; i++) {
      rows.push([i]);
      for (let j = 1; j <= b.length; j++) {
        const same = a[i - 1] === b[j - 1] ? 0 : 1;
        rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + same);
        if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
          rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
        }
      }
    }
    return rows[a.length][b.length];
  }

  /* 0 for the beginning of a name, 1 for a part of it, then by letters that differ; nothing for what is not near */
  function rank(typed, name) {
    if (name.startsWith(typed)) return 0;
    if (typed.length > 2 && name.includes(typed)) return 1;
    const far = typed.length > 2 ? distance(typed, name) : 9;
    return far <= (typed.length > 5 ? 2 : 1) ? 1 + far : undefined;
  }

  function near(typed) {
    const ranked = all().map((word) => {
      const ranks = names(word).map((name) => rank(typed, name));
      return { word: word.textContent, rank: Math.min(...ranks.filter((each) => each !== undefined)) };
    });
    return ranked
      .filter((each) => Number.isFinite(each.rank))
      .sort((a, b) => a.rank - b.rank)
      .slice(0, MOST)
      .map((each) => each.word);
  }

  function show() {
    const field = box();
    const group = document.querySelector(".vocabulary .near");
    if (!field || !group) return;
    const listed = parts(field.value).filter(Boolean).map(clean);
    const last = clean(parts(field.value).at(-1) ?? "");
    const known = new Set(all().flatMap(names));
    const examples = group.dataset.examples.split("|").filter((word) => !listed.includes(clean(word)));
    const unknown = Boolean(last) && !known.has(last);
    const offered = unknown ? near(last) : examples;
    const key = [unknown, !last, ...offered].join("|");
    if (group.dataset.shown !== key) {
      group.dataset.shown = key;
      const chips = offered.map((word) => {
        const chip = document.createElement("button");
        Object.assign(chip, { type: "button", textContent: word });
        return chip;
      });
      const lead = document.createElement("span");
      lead.textContent = unknown ? group.dataset.near : last ? group.dataset.instead : group.dataset.such;
      group.classList.toggle("unknown", unknown);
      group.replaceChildren(...(chips.length ? [lead, ...chips] : []));
    }
    for (const word of all()) {
      const on = String(listed.includes(clean(word.textContent)));
      if (word.getAttribute("aria-pressed") !== on) word.setAttribute("aria-pressed", on);
    }
  }

  /* A press on one of all adds it or takes it out; an example takes the place of everything, and a near one that of
     what was typed of it. */
  function press(word, byKey) {
    const field = box();
    const name = word.textContent;
    const listed = parts(field.value).filter(Boolean);
    const group = word.closest(".near");
    let left = [name];
    if (group?.classList.contains("unknown")) left = [...listed.slice(0, -1), name];
    else if (!group && listed.some((part) => clean(part) === clean(name))) {
      left = listed.filter((part) => clean(part) !== clean(name));
    } else if (!group) left = [...listed, name];
    field.value = left.join(", ");
    field.dispatchEvent(new Event("input", { bubbles: true })); // gradio reads the box when it is told of typing
    if (group && byKey) field.focus();
  }

  function search(field) {
    const typed = clean(field.value);
    let found = 0;
    for (const section of field.closest("details").querySelectorAll("section")) {
      const whole = typed.length > 2 && clean(section.querySelector(".group-of").textContent).includes(typed);
      const words = [...section.querySelectorAll("button")];
      for (const word of words) word.hidden = !(whole || names(word).some((name) => rank(typed, name) < 2));
      section.hidden = words.every((word) => word.hidden);
      found += !section.hidden;
    }
    field.closest("details").querySelector(".none").hidden = found > 0;
  }

  document.addEventListener("click", (event) => {
    const word = event.target instanceof Element ? event.target.closest(".vocabulary :is(.near, .all) button") : null;
    if (word && box()) press(word, !event.detail);
  });
  document.addEventListener("input", (event) => {
    if (!(event.target instanceof Element)) return;
    if (event.target.matches(".vocabulary .find")) search(event.target);
    if (event.target.closest("#field-erase")) show();
  });
  document.addEventListener("keydown", (event) => {
    const first = document.querySelector(".vocabulary .near button");
    if (event.key !== "ArrowDown" || event.target !== box() || !first) return;
    event.preventDefault();
    first.focus();
  });
  new MutationObserver((changes) => {
    const ours = changes.some(
      ({ target }) => target instanceof Element && target.closest("#part-words, #part-understood"),
    );
    if (ours || !document.querySelector(".vocabulary .near[data-shown]")) show();
  }).observe(document, { subtree: true, childList: true });
})();
