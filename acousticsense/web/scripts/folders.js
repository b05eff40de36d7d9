// Folders, chosen by the button or dropped: what is named like audio in them, however deep, goes to the Library.
(() => {
  "use strict";
  const header = () => document.querySelector(".as-header").dataset;
  const isHidden = (part) => part.startsWith(".") || part === "__MACOSX";
  const isSong = (name) => header().audio.split(" ").includes(name.split(".").pop().toLowerCase());

  const list = (folder) => new Promise((resolve, reject) => {
    const reader = folder.createReader();
    const found = [];
    // A reader hands out some entries at a time and none when it has no more.
    const more = () => reader.readEntries((some) => {
      found.push(...some);
      if (some.length) more();
      else resolve(found.sort((a, b) => (a.name < b.name ? -1 : 1)));
    }, reject);
    more();
  });
  const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));
  const songsIn = async (folder) => {
    const songs = [];
    for (const entry of await list(folder)) {
      if (isHidden(entry.name)) continue;
      if (entry.isDirectory) songs.push(...await songsIn(entry));
      else if (isSong(entry.name)) songs.push(await fileOf(entry));
    }
    return songs;
  };
  const take = (files, names) => {
    if (files.length) window.acousticSenseToLibrary(files);
    else window.acousticSenseSay(header().noSongs.replace("{names}", names.join(", ")));
  };

  // Whether folders were dropped; they go to the Library with the files beside them.
  window.acousticSenseFolderDropped = (transfer) => {
    // Entries are there only until the event is over.
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.some((entry) => entry.isDirectory)) return false;
    const found = entries.map((entry) => (entry.isDirectory ? songsIn(entry) : fileOf(entry).then((file) => [file])));
    Promise.all(found).then(
      (lists) => take(lists.flat(), entries.map((entry) => entry.name)),
      () => window.acousticSenseSay(header().folderUnread),
    );
    return true;
  };
  window.acousticSenseFolder = () => {
    const input = document.createElement("input");
    input.type = "file";
    input.webkitdirectory = true;
    input.addEventListener("change", () => {
      const files = [...input.files];
      const paths = files.map((file) => file.webkitRelativePath.split("/"));
      // The chosen folder itself may be hidden: it was asked for.
      const songs = files.filter((file, index) => isSong(file.name) && !paths[index].slice(1).some(isHidden));
      take(songs, [paths[0]?.[0] || ""]);
    });
    input.click();
  };
})();
