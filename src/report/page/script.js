"use strict";
// Sorting, filtering, the panel of a cell, tips, copy buttons, light and dark. Everything that it shows stands in the page already;
// texts are only ever set as text.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const data = JSON.parse(document.getElementById("data").textContent);
  const make = (tag, props = {}, children = []) => {
    const svg = ["svg", "line", "circle", "text", "title"].includes(tag);
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(props)) {
      if (name === "text") node.textContent = value;
      else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  };
  const number = (x) => {
    if (x === null || x === undefined) return "–";
    const a = Math.abs(x);
    if (x !== 0 && a < 5e-4) return x.toExponential(2);
    return x.toFixed(a >= 1000 ? 0 : a >= 100 ? 1 : a >= 10 ? 2 : a >= 1 ? 3 : 4);
  };

  // Light, dark, or as the system has it.
  const theme = document.querySelector(".theme");
  const themes = { auto: "◐ auto", light: "☀ light", dark: "☾ dark" };
  const keep = (value) => { try { localStorage.setItem("pita-bench-theme", value); } catch { /* a file may have no storage */ } };
  const wear = (name) => {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    if (theme) { theme.textContent = themes[name]; theme.dataset.now = name; theme.hidden = false; }
  };
  let known = "auto";
  try { known = localStorage.getItem("pita-bench-theme") || "auto"; } catch { /* as above */ }
  wear(known in themes ? known : "auto");
  theme?.addEventListener("click", () => {
    const names = Object.keys(themes);
    const next = names[(names.indexOf(theme.dataset.now) + 1) % names.length];
    wear(next);
    keep(next);
  });

  // Tables: a body is a method with its published values; bodies are sorted and filtered, rows never.
  const prepare = (grid) => {
    const tools = document.querySelector(`.tools[data-table="${grid.dataset.table}"]`);
    const heads = all("thead th", grid);
    const bodies = all("tbody", grid);
    const foot = grid.querySelector("tfoot");
    const sorted = { head: null, up: true };
    const cell = (body, index) => body.rows[0].cells[index];
    const key = (body, index) => {
      const raw = cell(body, index)?.dataset.v;
      if (raw === undefined || raw === "") return null;
      const value = Number(raw);
      return Number.isNaN(value) ? raw : value;
    };
    const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
    const sort = (head) => {
      const index = heads.indexOf(head);
      if (sorted.head !== head) Object.assign(sorted, { head, up: true });
      else if (sorted.up) sorted.up = false;
      else sorted.head = null;
      heads.forEach((h) => h.removeAttribute("aria-sort"));
      const now = [...bodies];
      if (sorted.head) {
        head.setAttribute("aria-sort", sorted.up ? "ascending" : "descending");
        now.sort((a, b) => {
          const [x, y] = [key(a, index), key(b, index)];
          if (x === null || y === null) return (x === null) - (y === null); // what has no value comes last
          return sorted.up ? order(x, y) : order(y, x);
        });
      }
      now.forEach((body) => grid.insertBefore(body, foot));
    };
    heads.forEach((head) => head.querySelector("button").addEventListener("click", () => sort(head)));
    if (!tools) return;

    const search = tools.querySelector("input[type=search]");
    const published = tools.querySelector(".published");
    const changed = tools.querySelector(".changed");
    const count = tools.querySelector("output");
    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const body of bodies) {
        const text = all("th, td.text", body).map((c) => c.textContent).join(" ").toLowerCase();
        let fits = words.every((word) => text.includes(word));
        if (changed?.checked && body.dataset.changed === "false") fits = false;
        for (const row of body.rows) row.classList.toggle("off", Boolean(published && !published.checked && row.className.includes("published")));
        if (![...body.rows].some((row) => !row.classList.contains("off"))) fits = false;
        body.classList.toggle("off", !fits);
        shown += fits;
      }
      count.textContent = shown === bodies.length ? `${shown} rows` : `${shown} of ${bodies.length} rows`;
    };
    [search, published, changed].forEach((input) => input?.addEventListener("input", filter));
    const menu = tools.querySelector(".menu");
    if (menu) {
      heads.forEach((head, index) => {
        if (!/^\d+$/.test(head.dataset.key)) return;
        const box = make("input", { type: "checkbox" });
        box.checked = true;
        box.addEventListener("input", () => {
          for (const row of grid.rows) row.cells[index]?.classList.toggle("off", !box.checked);
        });
        menu.append(make("label", {}, [box, head.dataset.name]));
      });
    }
    filter();
    tools.hidden = false;
  };
  all("table.grid").forEach(prepare);
  document.addEventListener("click", (event) => {
    all(".pick[open]").forEach((pick) => { if (!pick.contains(event.target)) pick.open = false; });
  });

  // The seeds of a cell: a line each for its interval, a dot for its value; the mean below them.
  const seeds = (column, cell) => {
    const lines = cell.seeds.filter((s) => s.value !== null).map((s) => ({ name: `seed ${s.seed}`, value: s.value, lo: s.lo, hi: s.hi }));
    if (cell.mean !== null && lines.length > 1) lines.push({ name: "mean", value: cell.mean, lo: cell.lo, hi: cell.hi, mean: true });
    if (!lines.length) return null;
    const marks = [["floor", column.floor], ["paper", cell.paper]].filter(([, v]) => v !== null && v !== undefined);
    const numbers = [...lines.flatMap((l) => [l.value, l.lo, l.hi]), ...marks.map(([, v]) => v)].filter((v) => v !== null && v !== undefined);
    let [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    const pad = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    [low, high] = [low - pad, high + pad];
    const wide = Math.max(300, Math.min(620, innerWidth - 30));
    const [left, right, step] = [64, wide - 76, 24];
    const height = lines.length * step + 44;
    const x = (v) => left + ((v - low) / (high - low)) * (right - left);
    const svg = make("svg", { class: "seeds", viewBox: `0 0 ${wide} ${height}`, role: "img" });
    svg.append(make("title", { text: `${column.title}: ${lines.map((l) => `${l.name} ${number(l.value)}`).join(", ")}` }));
    svg.append(make("line", { class: "grid", x1: left, x2: right, y1: height - 30, y2: height - 30 }));
    for (const v of [low + pad, (low + high) / 2, high - pad]) {
      svg.append(make("text", { class: "q", x: x(v), y: height - 14, "text-anchor": "middle", text: number(v) }));
    }
    for (const [name, v] of marks) {
      svg.append(make("line", { class: name, x1: x(v), x2: x(v), y1: 12, y2: height - 30 }));
      svg.append(make("text", { class: `t-${name}`, x: x(v), y: 9, "text-anchor": "middle", text: name === "floor" ? "noise floor" : "published" }));
    }
    lines.forEach((line, i) => {
      const y = 28 + i * step;
      const mark = line.mean ? "mean" : "";
      svg.append(make("text", { class: "q", x: 0, y: y + 4, text: line.name }));
      if (line.lo !== null && line.hi !== null) svg.append(make("line", { class: mark, x1: x(line.lo), x2: x(line.hi), y1: y, y2: y }));
      svg.append(make("circle", { class: mark, cx: x(line.value), cy: y, r: 4 }));
      svg.append(make("text", { x: right + 14, y: y + 4, text: number(line.value) }));
    });
    return svg;
  };

  // The panel: what is behind a cell, or behind a row.
  const panel = document.getElementById("panel");
  const show = (at) => {
    const [t, r, c] = at.split("-").map(Number);
    const table = data[t];
    const row = table?.rows[r];
    const block = document.getElementById(`r${t}-${r}`);
    if (!row || !block) return false;
    const column = c === undefined ? null : table.columns[c];
    const cell = column && row.cells[c];
    const title = make("h2", { id: "panel-title", text: column ? `${row.label}: ${column.title}` : row.label });
    title.append(make("small", { text: table.title }));
    const close = make("button", { type: "button", class: "close", text: "Close", onclick: () => panel.close() });
    const inside = make("div", { class: "inside" });
    if (cell) {
      const marks = [cell.best ? "best, or not distinguishable from it" : "", cell.at_floor ? "not above the noise floor" : ""].filter(Boolean);
      const unit = column.unit === "1" ? "" : ` ${column.unit}`;
      inside.append(make("p", { class: "value", text: `${cell.text ?? "–"}${unit} ` }));
      if (marks.length) inside.lastChild.append(make("small", { text: marks.join("; ") }));
      const picture = seeds(column, cell);
      if (picture) inside.append(picture);
      inside.append(make("p", { class: "note", text: column.tip }));
      const said = new Map(); // what is the same of several seeds is said once
      for (const one of cell.seeds) {
        const left = one.dropped && !one.note.includes("dropped") ? `${one.dropped} left out` : "";
        const text = [one.worth === null ? "" : `worth ${one.worth} independent samples`, left, one.note].filter(Boolean).join("; ");
        if (text) said.set(text, [...(said.get(text) ?? []), one.seed]);
      }
      for (const [text, of] of said) {
        const who = of.length === cell.seeds.length ? "" : `seed${of.length > 1 ? "s" : ""} ${of.join(", ")}: `;
        inside.append(make("p", { class: "note", text: who + text }));
      }
    }
    inside.append(block.querySelector(".cards").cloneNode(true));
    panel.replaceChildren(make("div", { class: "top" }, [title, close]), inside);
    panel.scrollTop = 0;
    if (!panel.open) panel.showModal();
    history.replaceState(null, "", `#cell-${at}`);
    return true;
  };
  panel.addEventListener("close", () => {
    if (location.hash.startsWith("#cell-")) history.replaceState(null, "", location.pathname + location.search);
  });
  panel.addEventListener("click", (event) => { if (event.target === panel) panel.close(); });

  // A figure as large as the window.
  const large = make("dialog", { id: "large", onclick: () => large.close() });
  document.body.append(large);
  for (const paper of all(".picture .paper")) {
    const svg = paper.querySelector("svg");
    if (!svg) continue;
    paper.addEventListener("click", () => { large.replaceChildren(svg.cloneNode(true)); large.showModal(); });
    const caption = paper.parentNode.querySelector("figcaption");
    caption.prepend(make("button", {
      type: "button", class: "copy save", text: "save SVG", onclick: () => {
        const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" }));
        make("a", { href: url, download: `${paper.parentNode.id.replace("figure-", "")}.svg` }).click();
        setTimeout(() => URL.revokeObjectURL(url), 1000);
      },
    }));
  }

  // Tips: the titles of elements, shown at once, and for the keyboard too.
  const tip = document.getElementById("tip");
  const words = (node) => {
    if (node.hasAttribute("title")) { node.dataset.tip = node.getAttribute("title"); node.removeAttribute("title"); }
    return node.dataset.tip;
  };
  const point = (event) => {
    const node = event.target.closest?.("[title], [data-tip]");
    const text = node && words(node);
    if (!text) { tip.hidden = true; return; }
    tip.textContent = text;
    (node.closest("dialog") ?? document.body).append(tip);
    tip.hidden = false;
    const [box, own] = [node.getBoundingClientRect(), tip.getBoundingClientRect()];
    const above = box.bottom + own.height + 14 > innerHeight;
    tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - own.width - 8))}px`;
    tip.style.top = `${above ? Math.max(8, box.top - own.height - 8) : box.bottom + 8}px`;
  };
  document.addEventListener("pointerover", point);
  document.addEventListener("focusin", point);
  document.addEventListener("scroll", () => { tip.hidden = true; }, true);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

  // Copying, also where the clipboard is kept from files.
  const copy = async (text) => {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* the old way */ }
    const area = make("textarea", { "aria-hidden": "true", style: "position:fixed;opacity:0" });
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  all("button.copy[data-copy]").forEach((button) => { button.hidden = false; });

  document.addEventListener("click", async (event) => {
    const opener = event.target.closest("a.open");
    if (opener && !event.ctrlKey && !event.metaKey && show(opener.dataset.at)) { event.preventDefault(); return; }
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const done = await copy(button.dataset.copy);
    button.textContent = done ? "copied" : "not copied";
    setTimeout(() => { button.textContent = "copy"; }, 1200);
  });

  // A link to a cell opens it; a link to what is unfolded unfolds it.
  const follow = () => {
    const at = location.hash.match(/^#cell-([\d-]+)$/);
    if (at) { show(at[1]); return; }
    const place = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (place instanceof HTMLDetailsElement) place.open = true;
  };
  addEventListener("hashchange", follow);
  follow();
})();
