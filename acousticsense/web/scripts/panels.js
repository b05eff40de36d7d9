// The panels above the rows of the tab "Library": each begins work on the server and shows what that says of it.
(() => {
  "use strict";
  const AGAIN_MS = 700;
  let known = "", shown = "";
  const panelOf = (kind) => document.querySelector(`[data-as-panel="${kind}"]`);
  const tell = (kind, html) => {
    const told = panelOf(kind)?.querySelector("[data-as-told]");
    if (told) told.innerHTML = html; // made by the server's templates, which escape
  };
  const isAtWork = (kind) => Boolean(panelOf(kind)?.querySelector("[data-state=running]"));

  const follow = async (kind, batch) => {
    if (batch !== window.acousticSenseBatch()) return;
    const answer = await fetch(`library/${batch}/${kind}`).catch(() => null);
    if (batch !== window.acousticSenseBatch()) return;
    if (answer?.ok) tell(kind, await answer.text());
    if (isAtWork(kind)) setTimeout(() => follow(kind, batch), AGAIN_MS);
  };

  const begin = async (kind, values) => {
    const batch = window.acousticSenseBatch();
    const answer = await fetch(`library/${batch}/${kind}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values),
    });
    const isTold = answer.headers.get("content-type")?.startsWith("text/html");
    tell(kind, isTold ? await answer.text() : panelOf(kind).dataset.gone);
    if (isAtWork(kind)) follow(kind, batch);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-as-act]");
    const panel = button?.closest("[data-as-panel]");
    if (!panel) return;
    const kind = panel.dataset.asPanel;
    if (button.dataset.asAct === "stop") fetch(`library/${window.acousticSenseBatch()}/${kind}`, { method: "DELETE" });
    else if (kind === "tags") {
      const overwrite = panel.querySelector("[data-as-overwrite]").checked;
      begin(kind, { accept: window.acousticSenseAccept(), overwrite, write: button.dataset.asAct === "write" });
    } else begin(kind, { name: panel.querySelector("[data-as-name]").value });
  });

  // Two genres, and two songs of each: one to learn from while the other is held out.
  const drawCounts = () => {
    const counts = window.acousticSenseCorrected();
    const panel = panelOf("finetune");
    const told = panel?.querySelector("[data-as-counts]");
    if (!told) return;
    const listed = counts.map(([genre, n]) => `${genre} ${n}`).join(" · ");
    told.textContent = told.dataset.asCounts.replace("{counts}", listed || "–");
    const enough = counts.length >= 2 && counts.every(([, n]) => n >= 2);
    panel.querySelector("[data-as-act=start]").disabled = !enough || !panel.querySelector("[data-as-name]").value.trim();
  };

  // What was planned for other rows, corrections or settings holds no more.
  const check = () => {
    const overwrite = panelOf("tags")?.querySelector("[data-as-overwrite]").checked;
    const batch = window.acousticSenseBatch();
    if (batch !== shown) tell("finetune", "");
    shown = batch;
    const now = JSON.stringify([batch, window.acousticSenseAccept(), window.acousticSenseCorrected(), overwrite]);
    if (now !== known && !isAtWork("tags")) tell("tags", "");
    known = now;
    drawCounts();
  };
  document.addEventListener("input", (event) => event.target.matches?.("[data-as-name]") && drawCounts());
  document.addEventListener("as-rows", check);
  document.addEventListener("change", (event) => event.target.matches?.("[data-as-overwrite]") && check());
})();
