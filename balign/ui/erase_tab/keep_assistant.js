/* The chips of the keep assistant: a press writes the word into the Keep box, or takes it out again. */
(() => {
  "use strict";
  const clean = (text) => text.trim().toLowerCase();

  /* One line of the box as the server reads it: short parts between commas are several entries. */
  function parts(line) {
    const found = line.split(",").map((part) => part.trim());
    return found.every((part) => part.split(/\s+/).length <= 3) ? found.filter(Boolean) : [line.trim()];
  }

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
