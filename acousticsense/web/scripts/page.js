(() => {
  "use strict";
  const chinese = (navigator.language || "").toLowerCase().startsWith("zh");
  document.documentElement.lang = chinese ? "zh-CN" : "en";

  // After every upload Gradio closes a stream that has ended, and warns twice that its streams cannot be closed.
  const warn = console.warn.bind(console);
  console.warn = (...told) => {
    if (told[0] !== "Method not implemented.") warn(...told);
  };

  const enlarge = (figure) => {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (figure.requestFullscreen) figure.requestFullscreen();
    else window.open(figure.querySelector("a[download]").href, "_blank", "noopener");
  };

  const root = document.documentElement;
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-as-enlarge]");
    if (button) enlarge(button.closest("figure"));
    if (event.target.closest("[data-as-order]")) root.classList.toggle("as-sorted");
  });

  // The strength of a heat map; a visitor's choice outlives the card, which Gradio replaces with each genre.
  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-as-opacity]")) root.style.setProperty("--as-heat", event.target.value / 100);
  });
  const keepOpacity = () => {
    const chosen = root.style.getPropertyValue("--as-heat");
    for (const slider of document.querySelectorAll("[data-as-opacity]")) {
      if (chosen && slider.value !== String(100 * chosen)) slider.value = 100 * chosen;
    }
  };
  // At once: Gradio adds this script when the document may have been loaded already.
  new MutationObserver(keepOpacity).observe(document.documentElement, { childList: true, subtree: true });

  // Gradio tells the place in its queue in English only.
  const tellPlace = () => {
    for (const told of document.querySelectorAll(".progress-text")) {
      const place = /queue: (\d+)\//.exec(told.textContent)?.[1];
      if (place) told.dataset.words = document.querySelector(".as-header").dataset.place.replace("{n}", place);
      else delete told.dataset.words;
    }
  };
  new MutationObserver(tellPlace).observe(root, { childList: true, subtree: true, characterData: true });

  // On a phone the answer stands below the fold: bring it into view.
  window.acousticSenseReveal = () => {
    const cards = document.querySelectorAll(":is(.as-result, .as-ensemble, .as-timeline):not([data-state='empty'])");
    const result = [...cards].find((card) => card.offsetParent);
    if (result && result.getBoundingClientRect().top > window.innerHeight * 0.7) {
      const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      result.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
    }
  };

  document.addEventListener("fullscreenchange", () => {
    for (const button of document.querySelectorAll("[data-as-enlarge]")) {
      const other = button.dataset.close;
      button.dataset.close = button.textContent;
      button.textContent = other;
    }
  });
})();
