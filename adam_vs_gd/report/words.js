// What is shown, in words: for the tooltip, for the line under the diagram, and as a table.

function coordinateWords(view, point) {
  const own = header.series[view.series].axes;
  return header.axes.map((axis, k) => `${axis.symbol} = ${own[axis.name].texts[point[k]]}`).join(", ");
}

function statusWords(view, point) {
  const { optimizers } = header.series[view.series];
  const parts = optimizers.map((optimizer) => {
    const counts = header.statuses.map(() => 0);
    statusesOf(optimizer, point).forEach((status) => counts[status]++);
    const words = counts.flatMap((count, k) => (count ? [`${count} ${k === PENDING ? "not computed" : header.statuses[k]}`] : []));
    return (optimizers.length > 1 ? `${header.optimizers[optimizer]}: ` : "") + words.reverse().join(", ");
  });
  return parts.join("; ");
}

function valueWords(cell) {
  if (cell.pending) return "not computed";
  return Number.isNaN(cell.mean) ? "no value, no seed counts" : written(cell.mean);
}

function intervalWords(cell) {
  if (Number.isNaN(cell.mean)) return "none";
  if (!Number.isFinite(cell.low) || !Number.isFinite(cell.high)) return "none from one seed";
  return `${written(cell.low)} to ${written(cell.high)}`;
}

// [term, text] of a point.
function described(view, point) {
  const cell = cellAt(view, point);
  const own = header.series[view.series].axes;
  return [
    ...header.axes.map((axis, k) => [axis.symbol, own[axis.name].texts[point[k]]]),
    [header.variables[view.variable].label, valueWords(cell)],
    [`${header.level} interval`, intervalWords(cell)],
    ["seeds counted", `${cell.seeds} of ${cell.asked}`],
    ["status", statusWords(view, point)],
  ];
}

function sentence(view, point) {
  const cell = cellAt(view, point);
  const value = `${header.series[view.series].label}, ${header.variables[view.variable].label}: ${valueWords(cell)}`;
  const interval = Number.isNaN(cell.mean) ? "" : `, ${header.level} interval ${intervalWords(cell)}`;
  return `${coordinateWords(view, point)}. ${value}${interval}, ${cell.seeds} of ${cell.asked} seeds counted. ${statusWords(view, point)}.`;
}

function captionWords(view) {
  const [series, variable] = [header.series[view.series], header.variables[view.variable]];
  const scale = variable.scales[view.series];
  const what = scale.kind === "log" ? " (logarithmic colours)" : "";
  const mean = SEEDS > 1 ? `mean of ${header.uneven ? "up to " : ""}${SEEDS} seeds` : "one seed";
  return `${variable.label}, ${series.label}, ${mean}${header.axes.length > 1 ? what : ""}`;
}

function cellWords(cell) {
  if (cell.pending || Number.isNaN(cell.mean)) return valueWords(cell);
  const interval = Number.isFinite(cell.low) && Number.isFinite(cell.high) ? ` [${written(cell.low)}, ${written(cell.high)}]` : "";
  return written(cell.mean) + interval;
}

// The slice that the diagram shows, the uppermost row first.
function sliceTable(view, picture) {
  const own = header.series[view.series].axes;
  const across = own[header.axes[view.x].name];
  const up = picture.rows > 1 || header.axes.length > 1 ? own[header.axes[view.y].name] : null;
  const corner = up ? `${header.axes[view.y].symbol} (down), ${header.axes[view.x].symbol} (across)` : "";
  const head = html("tr", {}, html("th", { scope: "col" }, corner));
  across.order.forEach((index) => head.append(html("th", { scope: "col" }, `${header.axes[view.x].symbol} = ${across.texts[index]}`)));
  const body = html("tbody");
  for (let r = picture.rows - 1; r >= 0; r--) {
    const name = up ? `${header.axes[view.y].symbol} = ${up.texts[up.order[r]]}` : header.series[view.series].label;
    const row = html("tr", {}, html("th", { scope: "row" }, name));
    for (let c = 0; c < picture.columns; c++) {
      const cell = cellAt(view, picture.pointAt(c, r));
      const data = html("td", {}, cellWords(cell));
      if (cell.good < cell.asked && !cell.pending) data.append(html("br"), html("small", {}, statusWords(view, picture.pointAt(c, r))));
      row.append(data);
    }
    body.append(row);
  }
  const caption = `${captionWords(view)}; ${header.level} interval in brackets`;
  return html("table", {}, html("caption", {}, caption), html("thead", {}, head), body);
}

// What is seen of marks, for the legend.
function newlySeen() {
  return { statuses: new Set(), whole: false, partly: false, empty: false, fractions: false, positive: false, negative: false };
}

function look(seen, cell) {
  seen.whole ||= cell.pending;
  if (cell.pending) return;
  cell.counts.forEach((count, k) => count && seen.statuses.add(header.statuses[k]));
  seen.partly ||= cell.counts[PENDING] > 0;
  seen.empty ||= Number.isNaN(cell.mean);
  seen.positive ||= cell.difference && cell.low > 0;
  seen.negative ||= cell.difference && cell.high < 0;
}

function legendItems(seen) {
  const blank = { counts: header.statuses.map(() => 0), asked: SEEDS, good: SEEDS, mean: 0, pending: false, mixed: false };
  const of = (status) => ({ ...blank, counts: header.statuses.map((name) => Number(name === status)) });
  const items = [];
  if (seen.whole) items.push(["not computed", { ...blank, pending: true }, NOT_COMPUTED]);
  if (seen.partly) items.push(["some seeds not computed", of("pending"), "#7a8fa6"]);
  for (const [status] of [...HATCHED, ...CROSSED]) {
    if (seen.statuses.has(status)) items.push([`${status} lanes`, of(status), "#5b6b7d"]);
  }
  if (seen.empty) items.push(["computed, but no seed counts", blank, NO_VALUE]);
  if (seen.positive) items.push(["interval above 0", { ...blank, difference: true, low: 1, high: 2 }, "#d9d9d9"]);
  if (seen.negative) items.push(["interval below 0", { ...blank, difference: true, low: -2, high: -1 }, "#d9d9d9"]);
  return items;
}

function drawLegend(list, { seen, lines = [] }) {
  list.replaceChildren(
    ...lines.map(([text, name]) => {
      const sample = svg("svg", { width: 26, height: 10, "aria-hidden": "true" }, svg("line", { class: name, x1: 0, x2: 26, y1: 5, y2: 5 }));
      return html("li", {}, sample, text);
    }),
    ...legendItems(seen).map(([text, cell, fill]) => {
      const canvas = html("canvas", { "aria-hidden": "true" });
      const [ctx, ratio] = cleared(canvas, 24, 16);
      paint(ctx, [0, 0, 24, 16], cell, fill, ratio);
      return html("li", {}, canvas, text);
    }),
  );
  if (seen.fractions) list.append(html("li", {}, html("span", { class: "fraction" }, "k/n"), `k of n seeds ${GOOD}`));
  if (lines.length) list.append(html("li", {}, `band: ${header.level} interval; open points: not all seeds ${GOOD}`));
}
