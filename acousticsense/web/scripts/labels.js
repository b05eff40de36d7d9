// What Gradio calls its own buttons and fields, in the reader's language and with numbers that can be read; and of a
// button inside another, as in its lists of files, the inner one is the button.
(() => {
  "use strict";
  const NAMES = ["aria-label", "title"];
  const OURS = "[class^=as-], svg"; // made by our templates
  const LONG = /\d+\.\d{2,}/g;
  const escaped = (words) => words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  let known = null; // pairs: what a label looks like, what is written instead
  const labels = () => {
    const told = document.querySelector(".as-header")?.dataset.labels;
    if (!known && told) {
      known = JSON.parse(told).map(([from, to]) => [new RegExp(`^${escaped(from).replace("\\{n\\}", "(.+)")}$`), to]);
    }
    return known || [];
  };
  const written = (label) => {
    const [pattern, words] = labels().find(([pattern]) => pattern.test(label)) || [];
    const own = pattern ? words.replace("{n}", pattern.exec(label)[1]) : label;
    return own.replace(LONG, (n) => Number(n).toFixed(1));
  };
  const polish = () => {
    for (const outer of document.querySelectorAll(".as-tabs button:not([role]):has(button)")) {
      outer.setAttribute("role", "group");
      outer.tabIndex = -1;
    }
    for (const name of NAMES) {
      for (const element of document.querySelectorAll(`.as-tabs [${name}]`)) {
        const label = element.getAttribute(name);
        if (!element.closest(OURS) && written(label) !== label) element.setAttribute(name, written(label));
      }
    }
  };
  new MutationObserver(polish).observe(document.documentElement, {
    childList: true, subtree: true, attributes: true, attributeFilter: NAMES,
  });
})();
