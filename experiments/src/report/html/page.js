"use strict";
(() => {
  const said = document.getElementById("said");
  const say = (words) => { said.textContent = words; };

  // Sorting: more first, then less first, then as it was.
  const order = { none: "descending", descending: "ascending", ascending: "none" };
  const value = (cell) => cell && "value" in cell.dataset ? Number(cell.dataset.value) : null;
  for (const table of document.querySelectorAll("table.results")) {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const wanted = order[head.getAttribute("aria-sort")];
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", wanted);
      const place = (row) => Number(row.dataset.place);
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [value(a.cells[column]), value(b.cells[column])];
        if (wanted === "none" || x === y) return place(a) - place(b);
        // Rows without a figure stand last either way.
        if (x === null || y === null) return x === null ? 1 : -1;
        return wanted === "ascending" ? x - y : y - x;
      });
      body.append(...rows);
      const name = head.textContent.trim();
      say(wanted === "none" ? "In the order of the suite." : `Sorted by ${name}, ${wanted}.`);
    }));
  }

  // Copying, rows in the order that is shown.
  const text = (id, form) => {
    const { head, rows, foot } = JSON.parse(document.getElementById(`${id}-forms`).textContent)[form];
    const shown = [...document.getElementById(id).tBodies[0].rows];
    return head + shown.map((row) => rows[Number(row.dataset.place)]).join("") + foot;
  };
  // Where a browser keeps the clipboard from local files, the old way is left.
  const copyByHand = (words) => {
    const area = document.createElement("textarea");
    area.value = words;
    area.setAttribute("aria-hidden", "true");
    area.className = "aside";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  const copy = async (words) => {
    try {
      await navigator.clipboard.writeText(words);
      return true;
    } catch {
      return copyByHand(words);
    }
  };
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", async () => {
      const done = await copy(text(button.dataset.table, button.dataset.copy));
      button.focus();
      say(done ? `${button.textContent.replace("Copy ", "")} is in the clipboard.`
        : "The browser does not let this page use the clipboard.");
    });
  }

  // Captions: one clip at a time.
  for (const browser of document.querySelectorAll(".browser")) {
    const clips = [...browser.querySelectorAll(".clip")];
    const choice = browser.querySelector("select");
    const [previous, next] = [browser.querySelector(".previous"), browser.querySelector(".next")];
    const where = browser.querySelector(".where");
    let shown = 0;
    // What is open stays open from clip to clip.
    const opened = (clip) => [...clip.querySelectorAll("details")];
    const show = (number) => {
      const open = opened(clips[shown]).map((part) => part.open);
      browser.querySelectorAll("audio").forEach((audio) => audio.pause());
      shown = Math.min(Math.max(number, 0), clips.length - 1);
      clips.forEach((clip, place) => { clip.hidden = place !== shown; });
      opened(clips[shown]).forEach((part, place) => { part.open = open[place]; });
      choice.value = String(shown);
      previous.disabled = shown === 0;
      next.disabled = shown === clips.length - 1;
      where.textContent = `${shown + 1} of ${clips.length}`;
    };
    choice.addEventListener("change", () => show(Number(choice.value)));
    previous.addEventListener("click", () => show(shown - 1));
    next.addEventListener("click", () => show(shown + 1));
    browser.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      // Players and lists have their own use for arrows.
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.target.closest("audio, select, .scroll")) return;
      event.preventDefault();
      show(shown + step);
    });
    if (clips.length > 0) show(0);
  }
})();
