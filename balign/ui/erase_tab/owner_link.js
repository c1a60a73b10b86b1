/* Keeps the run that is shown and the secret of its owner; where a browser keeps nothing, a link that owns runs: the
   secret stands behind the #, which is sent to nobody. */
(() => {
  "use strict";
  const MARK = "#owner=";
  const ASK = "This link makes its runs yours, and its giver sees and changes what you do here. Go on with it?";

  const forgets = () => window.balignForgets === true; // as the front page found out

  window.balignOwner = (browser) => {
    if (!location.hash.startsWith(MARK)) return browser;
    const owner = location.hash.slice(MARK.length);
    // a stranger's link would else let its giver see what is done here from now on; a reload is no such link
    if (owner !== browser?.owner && !history.state?.balign && !confirm(ASK)) return browser;
    if (!forgets()) history.replaceState(null, "", location.pathname + location.search);
    return { ...browser, owner };
  };

  window.balignRemember = (browser) => {
    try {
      localStorage.setItem("balign-kept", JSON.stringify(browser)); // here.html reads it
    } catch (error) {
      console.warn(error); // the storage is full
    }
    if (!browser?.owner || !browser.run || !forgets()) return;
    const link = new URL(location);
    link.searchParams.set("run", browser.run);
    link.hash = MARK + browser.owner;
    history.replaceState({ balign: true }, "", link); // a reload of this page still owns the run
    let said = document.querySelector(".forgetful");
    if (!said) {
      said = document.createElement("p");
      said.className = "notice remark forgetful";
      said.setAttribute("role", "status");
      document.querySelector("#part-notice").after(said);
    }
    const anchor = document.createElement("a");
    anchor.href = link;
    anchor.target = "_blank";
    anchor.rel = "noopener noreferrer";
    anchor.textContent = "this link";
    said.replaceChildren(
      "This browser forgets who began a run, since its storage is blocked here. Keep ",
      anchor,
      ": whoever has it owns your runs.",
    );
  };
})();
