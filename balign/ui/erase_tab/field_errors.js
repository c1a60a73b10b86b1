/* What cannot be begun: the field with the mistake is marked and told of, and Erase leads there instead of beginning.
   The server says which it is, in the hurdle above the button. */
(() => {
  "use strict";
  const within = (name) => document.querySelector(`#field-${name} :is(textarea, input)`);
  let marked = "";

  /* the sentence stands below its field too, and is read out with it */
  function mark() {
    const hurdle = document.querySelector("#hurdle");
    const erase = document.querySelector("#erase");
    if (!erase) return;
    const name = hurdle?.dataset.field ?? "";
    const box = name ? within(name) : null;
    const label = `${hurdle?.dataset.label}: `;
    const whole = box ? hurdle.querySelector("span").textContent : "";
    const words = whole.startsWith(label) ? whole.slice(label.length) : whole;
    if (erase.getAttribute("aria-disabled") !== String(Boolean(hurdle))) {
      erase.setAttribute("aria-disabled", String(Boolean(hurdle)));
      if (hurdle) erase.setAttribute("aria-describedby", "hurdle");
      else erase.removeAttribute("aria-describedby");
    }
    if (marked === name + words) return;
    marked = name + words;
    document.querySelector("#mistake")?.remove();
    for (const old of document.querySelectorAll("[aria-invalid=true]")) {
      old.removeAttribute("aria-invalid");
      old.removeAttribute("aria-describedby");
    }
    if (!box) return;
    box.setAttribute("aria-invalid", "true");
    box.setAttribute("aria-describedby", "mistake");
    const said = document.createElement("p");
    Object.assign(said, { id: "mistake", className: "mistake", textContent: words });
    box.closest(".block").append(said);
  }

  /* to a field, out of what it is folded into; what is folded is not there before it is opened */
  async function go({ field, folds }) {
    for (const id of folds.split(" ").filter(Boolean)) {
      for (let tries = 20; tries && !document.getElementById(id); tries--) {
        await new Promise((on) => setTimeout(on, 50));
      }
      document.querySelector(`#${id} > button.label-wrap:not(.open)`)?.click();
    }
    window.balignGo("Erase", `#field-${field} :is(textarea, input)`);
  }

  document.addEventListener(
    "click",
    (event) => {
      const pressed = event.target instanceof Element ? event.target.closest("#erase, [data-mend]") : null;
      if (!pressed || (pressed.id === "erase" && pressed.getAttribute("aria-disabled") !== "true")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const hurdle = document.querySelector("#hurdle");
      if (hurdle?.dataset.field) go(hurdle.dataset);
    },
    true,
  );

  /* Enter in a box of one line begins, as in any form */
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || !(event.target instanceof Element)) return;
    if (!event.target.matches("#field-erase :is(input, textarea), #field-replace :is(input, textarea)")) return;
    event.preventDefault();
    document.querySelector("#erase")?.click();
  });

  new MutationObserver(mark).observe(document, { subtree: true, childList: true });
})();
