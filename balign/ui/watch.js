/* The title, a notification, and a look from a hidden tab: whoever is elsewhere learns how far a run is. */
(() => {
  "use strict";
  const TITLE = document.title || "balign: make a model forget";
  const SECONDS = 15; // between two looks of a hidden tab
  const ASKED = "balign-notify";
  const SHOWN = "balign-shown";
  let told = "";
  const asked = new URLSearchParams(location.search).get("run") ?? remembered();
  let attaching = Boolean(asked);
  document.documentElement.classList.toggle("attaching", attaching);
  if (attaching) setTimeout(() => settled(""), 12_000); // the run is gone, or nobody answers
  const progress = () => document.querySelector("#part-dock-text .progress");
  const wished = () => {
    try {
      return localStorage.getItem(ASKED) === "yes" && Notification.permission === "granted";
    } catch {
      return false; // no storage or no notifications here
    }
  };

  /* the title says what the bar says; the end of a run that was watched is told once */
  function tell(run, title, live) {
    document.title = title || TITLE;
    if (live) told = run;
    else if (told && told === run) {
      told = "";
      if (wished() && document.hidden) new Notification(title, { tag: run });
    }
  }

  function remembered() {
    try {
      return localStorage.getItem(SHOWN);
    } catch {
      return null; // a private window remembers nothing
    }
  }

  /* what is shown is remembered, so that a page that will show a run does not look like one without any before */
  function settled(run) {
    document.documentElement.classList.remove("attaching");
    try {
      if (run) localStorage.setItem(SHOWN, run);
      else if (!attaching) localStorage.removeItem(SHOWN);
    } catch {} // a private window remembers nothing
    attaching = false;
  }

  function follow() {
    const part = progress();
    if (part && (part.dataset.run || !attaching)) settled(part.dataset.run);
    if (part && !document.hidden) tell(part.dataset.run, part.dataset.title, part.dataset.live === "yes");
    for (const box of document.querySelectorAll("input.notify")) if (box.checked !== wished()) box.checked = wished();
  }

  /* gradio asks for nothing while its tab is hidden */
  async function ask() {
    const run = progress()?.dataset.run;
    if (!document.hidden || !run || told !== run) return;
    try {
      const answer = await fetch(`files/${run}/state.json`);
      if (!answer.ok) return;
      const now = await answer.json();
      tell(run, now.title, now.live);
    } catch {} // the server rests; the next look may find it
  }
  setInterval(ask, SECONDS * 1000);
  document.addEventListener("visibilitychange", () => (document.hidden ? ask() : follow()));

  document.addEventListener("change", async (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || !box.matches("input.notify")) return;
    const wish = box.checked && "Notification" in window;
    const granted = wish && (await Notification.requestPermission()) === "granted";
    try {
      localStorage.setItem(ASKED, granted ? "yes" : "no");
    } catch {} // a private window remembers nothing
    box.checked = granted;
  });

  let watched = null;
  new MutationObserver(() => {
    const part = document.getElementById("part-dock-text");
    if (!part || part === watched) return;
    watched = part;
    follow();
    new MutationObserver(follow).observe(part, { subtree: true, childList: true, attributes: true });
  }).observe(document, { subtree: true, childList: true });
})();
