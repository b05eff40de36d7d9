// The tab in the address: a link and a reload open it, and Back returns to the tab before.
(() => {
  "use strict";
  const FIRST = "classify";
  const asked = () => new URLSearchParams(location.search).get("tab") || FIRST;
  const buttonOf = (tab) => document.querySelector(`.as-tabs [role=tab][data-tab-id="${CSS.escape(tab)}"]`);
  let isOurs = false; // the click that follows is this script's

  const open = () => {
    const button = buttonOf(asked());
    if (!button || button.getAttribute("aria-selected") === "true") return;
    isOurs = true;
    button.click();
    isOurs = false;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".as-tabs [role=tab]");
    button?.scrollIntoView({ block: "nearest", inline: "center" }); // the row of tabs scrolls on a phone
    const tab = button?.dataset.tabId;
    if (!tab || isOurs || tab === asked()) return;
    const address = new URL(location);
    tab === FIRST ? address.searchParams.delete("tab") : address.searchParams.set("tab", tab);
    history.pushState(history.state, "", address);
  });
  addEventListener("popstate", open);

  const waiting = new MutationObserver(() => {
    if (!buttonOf(FIRST)) return;
    waiting.disconnect();
    requestAnimationFrame(open);
  });
  if (asked() !== FIRST) waiting.observe(document.documentElement, { childList: true, subtree: true });
})();
