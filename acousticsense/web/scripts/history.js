// What was classified in this browser: kept in it, listed under the answer, shown again at a click.
(() => {
  "use strict";
  const [KEPT, SHOWN] = ["as-history", "as-shown"];
  const MOST = 50;
  const TIME = { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" };
  const [IMAGE_WIDTH, IMAGE_HEIGHT] = [640, 200];
  let entries = [], settings = null, seen = "", drawn = null, withoutImage = null;

  // A browser may forbid storage: then all this holds as long as the page.
  const read = () => {
    try { entries = JSON.parse(localStorage.getItem(KEPT)) || []; } catch { /* what there is stays */ }
    if (!Array.isArray(entries)) entries = [];
  };
  const write = () => {
    for (let kept = entries; ; kept = kept.slice(0, -1)) {
      try {
        localStorage.setItem(KEPT, JSON.stringify(kept));
        break;
      } catch {
        if (!kept.length) break; // full even without the oldest ones
      }
    }
    draw();
  };
  const shown = (id) => {
    try {
      if (id === undefined) return sessionStorage.getItem(SHOWN) || "";
      id ? sessionStorage.setItem(SHOWN, id) : sessionStorage.removeItem(SHOWN);
    } catch { /* then a reload begins anew */ }
    return id || "";
  };
  const entryOf = (id) => entries.find((entry) => entry.id === id);

  const frame = () => document.querySelector(".as-history");
  const card = () => document.querySelector(".as-result");
  const make = (name, className, words = "") => {
    const element = document.createElement(name);
    element.className = className;
    element.textContent = words;
    return element;
  };

  const isOther = (asked) => {
    if (!settings || !asked) return false;
    const [duration, whole, offset, model] = settings;
    return asked.whole !== Boolean(whole) || (!whole && asked.duration_s !== duration)
      || asked.offset_s !== Math.max(0, offset || 0) || asked.model !== (model || "");
  };
  const wordsOf = ({ prediction }) => {
    const { silence, notMusic, genres } = frame().dataset;
    if (prediction.health.notes.some((note) => note.code === "silence")) return silence;
    if (prediction.verdict === "not_music") return notMusic;
    const [label, share] = Object.entries(prediction.probabilities).reduce((best, next) => (next[1] > best[1] ? next : best));
    return `${new Map(JSON.parse(genres)).get(label) || label} ${(100 * share).toFixed(1)}%`;
  };
  const lineOf = (entry) => {
    const { remove, changed } = frame().dataset;
    const answer = JSON.parse(entry.answer);
    const line = make("li", "");
    const button = make("button", "as-recall");
    button.dataset.asRecall = entry.id;
    if (entry.id === shown()) button.setAttribute("aria-current", "true");
    const time = new Date(entry.at).toLocaleString(document.documentElement.lang, TIME);
    const below = make("small", "", time);
    if (isOther(answer.asked)) below.append(" · ", make("em", "", changed));
    button.append(make("b", "", answer.name), make("span", "", wordsOf(answer)), below);
    const forget = make("button", "as-forget", "×");
    forget.dataset.asForget = entry.id;
    forget.setAttribute("aria-label", remove.replace("{song}", answer.name));
    for (const each of [button, forget]) each.type = "button";
    button.title = answer.name;
    line.append(button, forget);
    return line;
  };
  const draw = () => {
    const place = frame();
    if (!place) return;
    drawn = place;
    const lines = entries.flatMap((entry) => {
      try { return [lineOf(entry)]; } catch { return []; } // written by another version
    });
    place.querySelector("ul").replaceChildren(...lines);
    place.querySelector("[data-as-forget-all]").hidden = lines.length === 0;
    mark();
  };
  // The answer on the page, too, says when it was asked for with other settings.
  const mark = () => {
    const answer = card()?.dataset.answer;
    if (answer) card().toggleAttribute("data-stale", isOther(JSON.parse(answer).asked));
  };

  const keep = (answer) => {
    read();
    const sameAs = ({ name, asked }) => JSON.stringify([name, asked]);
    const key = sameAs(JSON.parse(answer));
    const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
    const others = entries.filter((entry) => {
      try { return sameAs(JSON.parse(entry.answer)) !== key; } catch { return false; }
    });
    entries = [{ id, at: Date.now(), answer, picture: "" }, ...others].slice(0, MOST);
    shown(id);
    withoutImage = id;
    write();
  };
  const takeImage = async () => {
    const entry = entryOf(withoutImage);
    const image = document.querySelector(".as-spectrogram[data-state=ready] .as-layer img");
    if (!entry || !image || image.closest("figure").dataset.name !== JSON.parse(entry.answer).name) return;
    withoutImage = null;
    await image.decode();
    const canvas = make("canvas", "");
    [canvas.width, canvas.height] = [IMAGE_WIDTH, IMAGE_HEIGHT];
    canvas.getContext("2d").drawImage(image, 0, 0, IMAGE_WIDTH, IMAGE_HEIGHT);
    // The field keeps its name: browsers hold answers of earlier versions.
    entry.picture = canvas.toDataURL("image/jpeg", 0.75);
    write();
  };

  const look = () => {
    if (frame() && frame() !== drawn) draw();
    const image = document.querySelector("[data-as-image]:not([src])");
    if (image) image.src = entryOf(image.dataset.asImage)?.picture || "data:,";
    if (withoutImage) takeImage();
    const { answer = "", recalled = "" } = card()?.dataset || {};
    const now = answer && recalled + answer;
    if (now === seen) return;
    const hadAnswer = seen !== "";
    seen = now;
    if (recalled) shown(recalled);
    else if (answer) keep(answer);
    else if (hadAnswer) shown("");
    draw();
  };
  read();
  new MutationObserver(look).observe(document.documentElement, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["data-answer", "data-recalled"],
  });

  // For the page: what a click asks the server to show again, and what its controls say now.
  window.acousticSenseKept = (id) => {
    const entry = entryOf(id || shown());
    return entry && { id: entry.id, answer: entry.answer };
  };
  window.acousticSenseSettings = (...values) => {
    settings = values;
    draw();
  };

  addEventListener("storage", (event) => {
    if (event.key !== KEPT) return;
    read();
    draw();
  });
  document.addEventListener("click", (event) => {
    const one = event.target.closest?.("[data-as-forget]");
    const all = event.target.closest?.("[data-as-forget-all]");
    if (!one && !(all && confirm(frame().dataset.sure))) return;
    read();
    entries = one ? entries.filter((entry) => entry.id !== one.dataset.asForget) : [];
    write();
  });
})();
