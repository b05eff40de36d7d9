// For a class: each new answer stays hidden until somebody asks for it; genres can be guessed meanwhile.
(() => {
  "use strict";
  const KEY = "as-guess";
  const root = document.documentElement;
  const box = () => document.querySelector("[data-as-guess]");
  // A browser may forbid to keep the choice; then it holds for this visit.
  let chosen = "off";
  try { chosen = localStorage.getItem(KEY) || chosen; } catch { /* as above */ }
  const isOn = () => chosen === "on";

  const make = (tag, words) => {
    const made = document.createElement(tag);
    made.textContent = words;
    return made;
  };
  const reveal = (card, cover) => {
    const said = cover.querySelector("[aria-pressed='true']")?.textContent;
    card.dataset.guess = "done";
    delete root.dataset.guessing;
    cover.replaceChildren();
    if (said) cover.append(make("p", box().closest("label").dataset.said.replace("{genre}", said)));
  };
  // Only answers with a genre are hidden, not errors.
  const hide = (card) => {
    const words = box().closest("label").dataset;
    const cover = make("div", "");
    cover.className = "as-guess";
    cover.setAttribute("role", "group");
    cover.append(make("h2", words.title));
    const genres = make("p", "");
    for (const label of card.querySelectorAll(".as-bars .as-label")) {
      const button = make("button", label.textContent);
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        for (const other of genres.children) other.setAttribute("aria-pressed", String(other === button));
      });
      genres.append(button);
    }
    const ask = make("button", words.reveal);
    ask.type = "button";
    ask.className = "as-guess-reveal";
    ask.addEventListener("click", () => reveal(card, cover));
    cover.append(genres, ask);
    card.dataset.guess = "open";
    root.dataset.guessing = "";
    card.prepend(cover);
  };
  const watch = () => {
    const box_ = box();
    if (!box_) return;
    box_.checked = isOn();
    const card = document.querySelector(".as-result");
    const isAnswer = card?.dataset.answer && card.querySelector(".as-top");
    if (isOn() && isAnswer && !card.dataset.guess) hide(card);
    if (!isOn() || !isAnswer) delete root.dataset.guessing;
  };

  document.addEventListener("change", (event) => {
    if (!event.target.matches?.("[data-as-guess]")) return;
    chosen = event.target.checked ? "on" : "off";
    try { localStorage.setItem(KEY, chosen); } catch { /* as above */ }
    const card = document.querySelector(".as-result[data-guess='open']");
    if (!isOn() && card) reveal(card, card.querySelector(".as-guess"));
    if (isOn()) document.querySelector(".as-result")?.setAttribute("data-guess", "done"); // the one that is known stays
  });
  new MutationObserver(watch).observe(root, { childList: true, subtree: true });
})();
