/* The chips of the keep assistant: a press writes the word into the Keep box, or takes it out again; the kind of a
   concept is written into a field that nobody sees. */
(() => {
  "use strict";
  const clean = (text) => text.trim().toLowerCase();

  /* One line of the box as the server reads it: short parts between commas are several entries. */
  function parts(line) {
    if (/^\s*["\u201c\u00ab\u300c]/.test(line)) return [line.trim()];
    const found = line.split(/[,;|\uff0c\uff1b\u3001\u060c\u061b]+/).map((part) => part.trim());
    return found.every((part) => part.split(/\s+/).length <= 3) ? found.filter(Boolean) : [line.trim()];
  }

  /* The kinds that were chosen, as the server reads them: name=kind; name=kind. */
  function choose(name, kind) {
    const box = document.querySelector("#field-kind textarea, #field-kind input");
    if (!box) return;
    const said = /[,;|"]/.test(name) ? `"${name}"` : name;
    const others = box.value.split("; ").filter((each) => each && each.slice(0, each.lastIndexOf("=")) !== said);
    box.value = [...others, `${said}=${kind}`].join("; ");
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  document.addEventListener("change", (event) => {
    const select = event.target instanceof Element ? event.target.closest("select.kind") : null;
    if (!select) return;
    const { name } = select.dataset;
    const kind = select.value;
    for (const option of select.options) option.toggleAttribute("selected", option.value === kind);
    const fresh = select.cloneNode(true); // one that was touched would show its own choice whatever the page says later
    select.replaceWith(fresh);
    fresh.focus();
    choose(name, kind);
  });

  document.addEventListener("click", (event) => {
    const asked = event.target instanceof Element ? event.target.closest("button.kind") : null;
    if (asked) choose(asked.dataset.name, asked.dataset.kind);
  });

  document.addEventListener("click", (event) => {
    const chip = event.target instanceof Element ? event.target.closest("button.chip") : null;
    const box = document.querySelector("#field-keep textarea");
    if (!chip || !box) return;
    const word = chip.dataset.word;
    const lines = box.value.split("\n").filter((line) => line.trim());
    const there = lines.some((line) => parts(line).some((part) => clean(part) === clean(word)));
    const left = lines.map((line) => {
      const all = parts(line);
      const rest = all.filter((part) => clean(part) !== clean(word));
      return rest.length === all.length ? line : rest.join(", ");
    });
    box.value = (there ? left.filter(Boolean) : [...lines, word]).join("\n");
    chip.setAttribute("aria-pressed", String(!there));
    box.dispatchEvent(new Event("input", { bubbles: true })); // gradio reads the box when it is told of typing
  });
})();
