"use strict";
(() => {
  // --- light or dark: the system's choice until the button is pressed

  const root = document.documentElement;
  const theme = document.querySelector(".theme");
  const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const tell = () => { theme.textContent = dark() ? "Light page" : "Dark page"; };
  theme.hidden = false;
  tell();
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; tell(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);

  // --- tables: a button in every column's head sorts the rows below each heading

  // A cell counts as the number that it begins with: -0.5, [0.1, 0.2], 1,234, 12.5 %, < .001.
  const numeral = (text) => {
    const plain = text.replace(/,(?=\d{3}(\D|$))/g, "").replace(/\u2212/g, "-");
    const found = /^[\s[(<>=~\u2264\u2265]*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)/i.exec(plain);
    return found === null ? NaN : Number(found[1]);
  };
  const key = (row, column) => (row.cells[column]?.textContent ?? "").trim();
  const blank = (text) => text === "" || text === "-";

  const numeric = (rows, column) => rows.map((row) => key(row, column)).every((text) => blank(text) || !Number.isNaN(numeral(text)));

  function sorted(rows, column, down, asNumbers) {
    const order = (a, b) => (asNumbers ? numeral(a) - numeral(b) : a.localeCompare(b, "en", { numeric: true }));
    return [...rows].sort((one, other) => {
      const [a, b] = [key(one, column), key(other, column)];
      if (blank(a) || blank(b)) return Number(blank(a)) - Number(blank(b));
      return down ? order(b, a) : order(a, b);
    });
  }

  function sortable(table) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const groups = [];
    for (const row of body.rows) {
      const heading = row.cells[0].tagName === "TH";
      if (heading || groups.length === 0) groups.push({ heading: heading ? row : null, rows: [] });
      if (!heading) groups[groups.length - 1].rows.push(row);
    }
    if (groups.every((group) => group.rows.length < 2)) return;
    heads.forEach((head, column) => {
      const asNumbers = numeric(groups.flatMap((group) => group.rows), column);
      const states = asNumbers ? ["descending", "ascending", null] : ["ascending", "descending", null];
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = states[(states.indexOf(head.getAttribute("aria-sort")) + 1) % 3];
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (next !== null) head.setAttribute("aria-sort", next);
        for (const { heading, rows } of groups) {
          if (heading !== null) body.append(heading);
          body.append(...(next === null ? rows : sorted(rows, column, next === "descending", asNumbers)));
        }
      });
    });
  }
  document.querySelectorAll("table").forEach(sortable);

  // a hint to swipe is for tables that are wider than the page
  const boxes = [...document.querySelectorAll(".scroll")];
  const hint = () => boxes.forEach((box) => {
    const before = box.previousElementSibling;
    if (before?.classList.contains("hint")) before.hidden = box.scrollWidth <= box.clientWidth;
  });
  addEventListener("resize", hint);
  hint();

  // --- charts: what is under the pointer, or chosen with the arrow keys, is told with its pictures

  const pictures = new Map();
  document.querySelectorAll("#pictures img").forEach((image) => pictures.set(image.dataset.item, image));
  const SVG = "http://www.w3.org/2000/svg";

  function makeTip(chart) {
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.setAttribute("role", "status");
    tip.hidden = true;
    chart.append(tip);
    return {
      hide() { tip.hidden = true; },
      show(text, items, x, y) {
        const shown = items.filter((item) => pictures.has(item));
        const box = document.createElement("div");
        shown.forEach((item) => { const copy = pictures.get(item).cloneNode(); copy.removeAttribute("data-item"); box.append(copy); });
        tip.replaceChildren(...(shown.length ? [box] : []), text);
        tip.hidden = false;
        const edge = chart.getBoundingClientRect();
        const left = Math.min(x + 14, edge.width - tip.offsetWidth);
        const below = y + 16;
        const fits = edge.top + below + tip.offsetHeight < innerHeight || y < tip.offsetHeight;
        tip.style.left = `${Math.max(0, left)}px`;
        tip.style.top = `${fits ? below : y - tip.offsetHeight - 12}px`;
      },
    };
  }

  // Marks with a data-tip are stepped through in their order.
  function marks(chart, tip) {
    const all = [...chart.querySelectorAll("[data-tip]")];
    let current = -1;
    const at = (mark) => {
      const [box, edge] = [mark.getBoundingClientRect(), chart.getBoundingClientRect()];
      return [box.left + box.width / 2 - edge.left, box.top + box.height / 2 - edge.top];
    };
    const clear = () => all[current]?.classList.remove("on");
    const choose = (k) => {
      clear();
      current = k;
      all[k].classList.add("on");
      tip.show(all[k].dataset.tip, JSON.parse(all[k].dataset.items ?? "[]"), ...at(all[k]));
    };
    return {
      count: all.length,
      clear,
      point(event) {
        const k = all.indexOf(event.target.closest("[data-tip]"));
        if (k >= 0) choose(k);
        return k >= 0;
      },
      step(right, down) { choose(Math.min(all.length - 1, Math.max(0, current + (right || down)))); },
      first() { choose(current < 0 ? 0 : current); },
    };
  }

  // A matrix of dissimilarities is one picture; its cells are found by where the pointer is.
  function heat(chart, tip, group) {
    const { x, y, size } = group.dataset;
    const labels = JSON.parse(group.dataset.labels);
    const values = JSON.parse(group.dataset.values);
    const n = labels.length;
    const side = Number(size) / n;
    const cursor = document.createElementNS(SVG, "rect");
    cursor.setAttribute("class", "cursor");
    cursor.setAttribute("width", side);
    cursor.setAttribute("height", side);
    let [row, column] = [0, Math.min(1, n - 1)];
    const value = (i, j) => (i === j ? 0 : values[i < j ? i * n - (i * (i + 1)) / 2 + j - i - 1 : j * n - (j * (j + 1)) / 2 + i - j - 1]);
    const show = () => {
      group.append(cursor);
      cursor.setAttribute("x", Number(x) + column * side);
      cursor.setAttribute("y", Number(y) + row * side);
      const [box, edge] = [cursor.getBoundingClientRect(), chart.getBoundingClientRect()];
      const found = value(row, column);
      const text = row === column ? labels[row] : `${labels[row]} \u2013 ${labels[column]}: ${found === null ? "not known" : found}`;
      tip.show(text, row === column ? [labels[row]] : [labels[row], labels[column]], box.left - edge.left + box.width, box.top - edge.top + box.height / 2);
    };
    const inside = (k) => Math.min(n - 1, Math.max(0, k));
    return {
      count: n,
      clear() { cursor.remove(); },
      point(event) {
        const box = group.querySelector("image").getBoundingClientRect();
        const [i, j] = [Math.floor(((event.clientY - box.top) / box.height) * n), Math.floor(((event.clientX - box.left) / box.width) * n)];
        if (i < 0 || j < 0 || i >= n || j >= n) return false;
        [row, column] = [i, j];
        show();
        return true;
      },
      step(right, down) { [row, column] = [inside(row + down), inside(column + right)]; show(); },
      first: show,
    };
  }

  const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

  function explore(chart) {
    const tip = makeTip(chart);
    const group = chart.querySelector(".heat");
    const parts = group === null ? marks(chart, tip) : heat(chart, tip, group);
    if (parts.count === 0) return;
    const leave = () => { tip.hide(); parts.clear(); };
    const follow = (event) => { if (!parts.point(event)) leave(); };
    chart.addEventListener("pointermove", follow);
    chart.addEventListener("pointerdown", follow);
    chart.addEventListener("pointerleave", leave);
    chart.addEventListener("blur", leave);
    chart.addEventListener("focus", () => { if (chart.matches(":focus-visible")) parts.first(); });
    chart.addEventListener("keydown", (event) => {
      if (event.key === "Escape") leave();
      const step = ARROWS[event.key];
      if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      parts.step(...step);
    });
    const keys = document.createElement("span");
    keys.className = "keys";
    keys.textContent = "Point at it, tap it, or choose it with Tab and step with the arrow keys.";
    chart.parentElement.querySelector("figcaption").append(keys);
  }
  document.querySelectorAll(".chart").forEach(explore);
})();
