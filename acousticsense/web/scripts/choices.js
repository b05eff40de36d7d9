// The reader's language and theme, remembered in this browser. `language.py` reads the cookie.
(() => {
  "use strict";
  const YEAR_S = 365 * 24 * 3600;
  const THEME = "as-theme";
  const remembered = () => {
    try { return localStorage.getItem(THEME); } catch { return null; } // a browser may forbid it
  };
  let theme = remembered();

  // Gradio sets the class by the system's theme, again whenever that changes.
  const applyTheme = () => {
    if (theme && document.body.classList.contains("dark") !== (theme === "dark")) {
      document.body.classList.toggle("dark", theme === "dark");
    }
  };
  const watch = () => {
    new MutationObserver(applyTheme).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    applyTheme();
  };
  if (document.body) watch();
  else document.addEventListener("DOMContentLoaded", watch);

  document.addEventListener("click", (event) => {
    const language = event.target.closest("[data-as-language]");
    if (language) {
      document.cookie = `as-language=${language.dataset.asLanguage}; path=/; max-age=${YEAR_S}; samesite=lax`;
      location.reload();
    }
    if (event.target.closest("[data-as-theme]")) {
      theme = document.body.classList.contains("dark") ? "light" : "dark";
      try { localStorage.setItem(THEME, theme); } catch { /* then it holds for this visit */ }
      applyTheme();
    }
  });
})();
