// The table of many files: rows are fetched as they come; sorting, finding and filtering need no server.
// `library_view.py` writes the frame that is filled here and the card that says how far the work is.
(() => {
  "use strict";
  const rows = []; // {values of a row, element}
  let batch = "", seen = "", fetching = false, again = false;
  const player = new Audio();
  let genres = [], playing = null;
  let chip = "", needle = "", genre = "", accept = "", column = "place", descending = false;
  window.acousticSenseBatch = () => batch;
  window.acousticSenseAccept = () => accept;
  // Genre -> how many rows people gave it.
  window.acousticSenseCorrected = () => [...count(rows.map(({ row }) => row.corrected).filter(Boolean))];

  const frame = () => document.querySelector(".as-rows");
  const make = (name, className, words) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (words !== undefined) element.textContent = words;
    return element;
  };

  const buttonOf = (className, name, value, label, words) => {
    const button = make("button", className, words);
    button.type = "button";
    button.dataset[name] = value;
    button.setAttribute("aria-label", words ? `${words}: ${label}` : label);
    button.title = label;
    return button;
  };

  const genreOf = (row) => row.corrected || row.genre;
  const drawGenre = (cell, row) => {
    const { correct, corrected, confirmed } = frame().dataset;
    cell.replaceChildren(row.genre ? buttonOf("as-correct", "asCorrect", row.place, correct, genreOf(row)) : "–");
    cell.toggleAttribute("data-corrected", Boolean(row.corrected));
    const told = row.corrected === row.genre ? confirmed : corrected.replace("{genre}", row.genre);
    if (row.corrected) cell.append(make("small", "", told));
  };
  const entryOf = (place) => rows.find(({ row }) => row.place === Number(place));
  const choose = (button) => {
    const entry = entryOf(button.dataset.asCorrect);
    const select = make("select");
    select.setAttribute("aria-label", button.title);
    select.append(new Option(`${entry.row.genre} (${frame().dataset.model})`, ""));
    for (const [label, words] of genres) {
      const shown = words === entry.row.genre ? frame().dataset.confirm.replace("{genre}", words) : words;
      select.append(new Option(shown, label, false, words === entry.row.corrected));
    }
    const done = () => drawGenre(select.parentElement || button.parentElement, entry.row);
    select.addEventListener("change", async () => {
      const answer = await fetch(`library/${batch}/rows/${entry.row.place}`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ genre: select.value }),
      });
      if (answer.ok) entry.row.corrected = genres.find(([label]) => label === select.value)?.[1] || "";
      done();
      draw();
    });
    select.addEventListener("keydown", (event) => event.key === "Escape" && done());
    button.replaceWith(select);
    select.focus();
  };

  const play = (place) => {
    if (playing === place && !player.paused) {
      player.pause();
      return;
    }
    if (playing !== place) player.src = `library/${batch}/sound/${place}`;
    playing = place;
    player.play().catch(() => {});
  };
  const drawPlayer = () => {
    for (const button of document.querySelectorAll("[data-as-play]")) {
      const now = button.dataset.asPlay === playing && !player.paused;
      const label = frame().dataset[now ? "pause" : "play"];
      button.toggleAttribute("data-on", now);
      button.title = label;
      button.setAttribute("aria-label", label);
    }
  };
  for (const kind of ["play", "pause", "ended", "error"]) player.addEventListener(kind, drawPlayer);

  const lineOf = (row) => {
    const line = make("tr");
    line.dataset.state = row.verdict;
    const cell = (name, words) => {
      const made = make("td", `as-cell-${name}`, words);
      line.append(made);
      return made;
    };
    const slash = row.path.lastIndexOf("/") + 1;
    const file = make("th", "as-cell-path");
    file.scope = "row";
    file.title = row.path;
    file.append(make("b", "", row.path.slice(slash)), make("small", "", row.path.slice(0, slash)));
    if (row.playable) {
      file.prepend(buttonOf("as-play", "asPlay", row.place, frame().dataset.play));
      file.querySelector("b").after(buttonOf("as-open", "asOpen", row.place, frame().dataset.open));
    }
    line.append(file);
    drawGenre(cell("genre"), row);
    cell("confidence", row.percent);
    const verdict = cell("verdict", row.verdictText);
    if (row.decision) verdict.append(make("small", "", row.decisionText));
    cell("top", row.top);
    cell("notes").append(...row.notes.map((note) => make("span", "", note)));
    return line;
  };

  const kindOf = (row) => (row.verdict === "error" || row.verdict === "not_music" ? row.verdict : `genre:${genreOf(row)}`);
  const isShown = ({ row }) =>
    (!chip || row.verdict === chip || row.decision === chip) &&
    (!genre || kindOf(row) === genre) &&
    (!needle || `${row.path} ${genreOf(row)} ${row.notes.join(" ")}`.toLowerCase().includes(needle));
  const keyOf = ({ row }) => (column === "verdict" ? row.verdictRank : column === "genre" ? genreOf(row) : row[column]);
  const compare = (a, b) => {
    const [x, y] = [keyOf(a), keyOf(b)];
    if (x === y) return a.row.place - b.row.place;
    if (x === null || x === "") return 1; // what has no answer comes last, whichever way
    if (y === null || y === "") return -1;
    const order = typeof x === "string" ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
    return descending ? -order : order;
  };

  const count = (values) => values.reduce((counts, value) => counts.set(value, (counts.get(value) || 0) + 1), new Map());

  const drawChips = (card) => {
    const counts = count(rows.flatMap(({ row }) => (row.decision ? [row.verdict, row.decision] : [row.verdict])));
    for (const button of card.querySelectorAll("[data-as-chip]")) {
      const name = button.dataset.asChip;
      const number = name ? counts.get(name) || 0 : rows.length;
      button.querySelector("b").textContent = number;
      button.hidden = name !== "" && name !== chip && number === 0;
      button.setAttribute("aria-pressed", String(name === chip));
    }
  };

  const drawDistribution = (card) => {
    const list = card.querySelector(".as-distribution ul");
    const counts = count(rows.map(({ row }) => kindOf(row)));
    const names = { error: list.dataset.error, not_music: list.dataset.notMusic };
    const rest = (kind) => (kind in names ? 1 : 0);
    const kinds = [...counts.keys()].sort((a, b) => rest(a) - rest(b) || counts.get(b) - counts.get(a) || (a < b ? -1 : 1));
    const most = Math.max(...counts.values());
    const focused = document.activeElement?.closest?.("[data-as-genre]")?.dataset.asGenre;
    list.replaceChildren(...kinds.map((kind) => {
      const button = make("button", "as-bar");
      button.type = "button";
      button.dataset.asGenre = kind;
      button.setAttribute("aria-pressed", String(kind === genre));
      button.style.setProperty("--share", counts.get(kind) / most);
      const track = make("span", "as-track");
      track.append(make("i"));
      button.append(make("span", "as-label", names[kind] || kind.slice("genre:".length)), track, make("span", "as-value", counts.get(kind)));
      const item = make("li");
      item.append(button);
      return item;
    }));
    if (focused) [...list.querySelectorAll("button")].find((button) => button.dataset.asGenre === focused)?.focus();
  };

  const drawTable = (card) => {
    const shown = rows.filter(isShown).sort(compare);
    const body = card.querySelector("tbody");
    const lines = shown.map((entry) => (entry.line ??= lineOf(entry.row)));
    // Rows that only came to be added leave those that are read, selected or scrolled to alone.
    if (lines.length > body.children.length && [...body.children].every((line, index) => line === lines[index])) {
      body.append(...lines.slice(body.children.length));
    } else if (lines.length !== body.children.length || lines.some((line, index) => line !== body.children[index])) {
      body.replaceChildren(...lines);
    }
    for (const button of card.querySelectorAll("[data-as-column]")) {
      const order = button.dataset.asColumn !== column ? "none" : descending ? "descending" : "ascending";
      button.closest("th").setAttribute("aria-sort", order);
    }
    card.querySelector("[data-as-sort]").value = column;
    const told = card.querySelector("[data-as-shown]");
    told.textContent = told.dataset.asShown.replace("{shown}", shown.length).replace("{total}", rows.length);
  };

  const draw = () => {
    const card = frame();
    if (!card) return;
    card.hidden = rows.length === 0;
    if (card.hidden) return;
    drawChips(card);
    drawDistribution(card);
    drawTable(card);
    for (const link of card.querySelectorAll("[data-as-file]")) {
      link.href = `library/${batch}.${link.dataset.asFile}?accept=${accept}`;
    }
    const chosen = genres.find(([, words]) => `genre:${words}` === genre);
    if (chosen) card.querySelector("[data-as-file=m3u8]").href += `&genre=${encodeURIComponent(chosen[0])}`;
    const corrections = card.querySelector("[data-as-file='finetune.csv']");
    const corrected = rows.filter(({ row }) => row.corrected).length;
    corrections.querySelector("b").textContent = corrected;
    corrections.hidden = corrected === 0;
    document.dispatchEvent(new Event("as-rows"));
  };

  const forget = () => {
    rows.length = 0;
    frame()?.querySelector("tbody")?.replaceChildren();
  };

  const fetchRows = async () => {
    again = true;
    if (fetching) return;
    fetching = true;
    try {
      while (again) {
        again = false;
        const [asked, threshold] = [batch, accept];
        const answer = await fetch(`library/${asked}/rows?start=${rows.length}&accept=${threshold}`);
        if (asked !== batch || threshold !== accept) {
          again = true; // the answer is about what was shown before
          continue;
        }
        if (!answer.ok) break;
        const fresh = await answer.json();
        if (fresh.genres.length) genres = fresh.genres;
        rows.push(...fresh.rows.map((row) => ({ row })));
        const expected = frame()?.querySelector("[data-as-expected]");
        if (expected) expected.textContent = fresh.expected;
        draw();
      }
    } finally {
      fetching = false;
    }
  };

  const look = () => {
    const card = document.querySelector("[data-as-batch]");
    if (!card) return;
    const { asBatch, done, state } = card.dataset;
    const now = `${asBatch} ${done} ${state}`;
    if (now === seen) return;
    seen = now;
    if (asBatch !== batch) {
      batch = asBatch;
      [chip, needle, genre] = ["", "", ""];
      player.pause();
      const find = frame()?.querySelector("[data-as-find]");
      if (find) find.value = "";
      forget();
      draw();
    }
    if (Number(done) > rows.length || state !== "running") fetchRows();
  };
  new MutationObserver(look).observe(document.documentElement, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["data-done", "data-state"],
  });

  document.addEventListener("click", (event) => {
    const own = event.target.closest?.("[data-as-play], [data-as-correct]");
    if (own?.dataset.asPlay) play(own.dataset.asPlay);
    else if (own) choose(own);
    const picked = event.target.closest?.("[data-as-chip], [data-as-genre], [data-as-column]");
    if (!picked) return;
    const { asChip, asGenre, asColumn } = picked.dataset;
    if (asChip === "") [chip, genre] = ["", ""];
    else if (asChip !== undefined) chip = chip === asChip ? "" : asChip;
    if (asGenre !== undefined) genre = genre === asGenre ? "" : asGenre;
    if (asColumn !== undefined) {
      // The most confident first, names from A on; once more turns it round.
      descending = column === asColumn ? !descending : asColumn === "confidence";
      column = asColumn;
    }
    draw();
  });

  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-as-find]")) needle = event.target.value.trim().toLowerCase();
    else if (event.target.matches("[data-as-sort]")) {
      column = event.target.value;
      descending = column === "confidence";
    } else if (event.target.matches("[data-as-accept]")) {
      const percent = event.target.valueAsNumber;
      accept = percent >= 0 && percent <= 100 ? String(percent / 100) : "";
      if (["accepted", "review", "rejected"].includes(chip)) chip = "";
      forget();
      fetchRows();
      return;
    } else return;
    draw();
  });
})();
