// The tab in the address: a link and a reload open it, and Back returns to the tab before.
(() => {
  "use strict";
  const FIRST = "classify";
  const asked = () => new URLSearchParams(location.search).get("tab") || FIRST;
  const buttonOf = (tab) => document.querySelector(`.as-tabs [role=tab][data-tab-id="${CSS.escape(tab)}"]`);
  let isOpen = asked() === FIRST; // the tab that the address names when the page is loaded

  const open = () => {
    const button = buttonOf(asked());
    if (button?.getAttribute("aria-selected") !== "true") button?.click();
    isOpen = true;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".as-tabs [role=tab]");
    button?.scrollIntoView({ block: "nearest", inline: "center" }); // the row of tabs scrolls on a phone
  });
  // A press, or a button in a tab that opens another one.
  new MutationObserver(() => {
    const tab = document.querySelector(".as-tabs [role=tab][aria-selected=true]")?.dataset.tabId;
    if (!isOpen || !tab || tab === asked()) return;
    const address = new URL(location);
    tab === FIRST ? address.searchParams.delete("tab") : address.searchParams.set("tab", tab);
    history.pushState(history.state, "", address);
  }).observe(document.documentElement, { subtree: true, attributes: true, attributeFilter: ["aria-selected"] });
  addEventListener("popstate", open);

  const waiting = new MutationObserver(() => {
    if (!buttonOf(FIRST)) return;
    waiting.disconnect();
    requestAnimationFrame(open);
  });
  if (asked() !== FIRST) waiting.observe(document.documentElement, { childList: true, subtree: true });
})();
