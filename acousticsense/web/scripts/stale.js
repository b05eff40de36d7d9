// Marks the answers of Ensemble, Timeline and Compare to other settings than their controls show now; the history does
// it for Classify. A card carries what its answer was asked for (`asked` in `html.py`).
(() => {
  "use strict";
  const now = new Map(); // a card's selector -> the values of its tab's controls
  // Ticked boxes come in the order of the ticks, files with more than their path.
  const plain = (value) => {
    if (!Array.isArray(value)) return value ?? "";
    return value[0]?.path ? value.map((file) => file.path) : [...value].sort();
  };
  const written = (values) => JSON.stringify(values.map(plain));

  const mark = () => {
    for (const [selector, values] of now) {
      const card = document.querySelector(`${selector}[data-asked]`);
      if (card) card.toggleAttribute("data-stale", written(JSON.parse(card.dataset.asked)) !== written(values));
    }
  };
  new MutationObserver(mark).observe(document.documentElement, { childList: true, subtree: true });
  window.acousticSenseAsked = (selector, ...values) => {
    now.set(selector, values);
    mark();
  };
})();
