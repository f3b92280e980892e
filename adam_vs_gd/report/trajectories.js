// The trajectories of a chosen point, a column an optimizer, and the final values of its seeds.

async function drawTrajectories(container, view) {
  const point = [...view.at];
  if (!header.trajectories) {
    container.replaceChildren(html("p", {}, "The sweep kept no trajectories (record = 0)."), seedTable(view, point));
    return;
  }
  const array = await loadTrajectories();
  if (place(point) !== place(view.at)) return; // another point has been chosen meanwhile
  const width = Math.max(200, container.clientWidth);
  const columns = Math.max(1, Math.min(header.optimizers.length, Math.floor((width + 12) / 152)));
  const each = Math.floor((width - 12 * (columns - 1)) / columns);
  container.replaceChildren(
    ...header.trajectories.rows.map((row) => rowOf(array, row, point, columns, each)),
    html("p", { class: "hint" }, keptWords()),
    seedTable(view, point),
  );
}

function keptWords() {
  const { kept, recorded, digits } = header.trajectories;
  const thinned = kept < recorded ? ` Of ${recorded} recorded steps the page holds ${kept}, to stay small; the folder has all.` : "";
  return `Thin lines are seeds, thick ones their mean (without seeds that count in no mean). Scales are shared by the optimizers. Values are rounded to ${digits} binary digits.${thinned}`;
}

function stepsOf(name, point) {
  const lists = header.trajectories[header.trajectories.coarse.includes(name) ? "test_steps" : "steps"];
  const swept = header.axes.findIndex((axis) => axis.name === "steps");
  return lists.length > 1 ? lists[point[swept]] : lists[0];
}

// [{name, seed, steps, values}] of an optimizer at a point, the mean (seed null) last.
function linesOf(array, names, optimizer, point) {
  return names.flatMap((name) => {
    const steps = stepsOf(name, point);
    const cell = optimizer * POINTS + place(point);
    const part = (values, index) => values.subarray(index * steps.length, (index + 1) * steps.length);
    return [
      ...header.seeds.map((seed, k) => ({ name, seed, steps, values: part(array(name), cell * SEEDS + k) })),
      { name, seed: null, steps, values: part(array(`${name}/mean`), cell) },
    ];
  });
}

function rowOf(array, row, point, columns, width) {
  const lines = header.optimizers.map((_, k) => linesOf(array, row.names, k, point));
  const values = lines.flat().flatMap((line) => [...line.values].filter(Number.isFinite));
  const scale = heightScale(row, values);
  const legend = html("ul", { class: "lines" });
  row.names.forEach((name, k) => {
    const sample = svg("svg", { width: 26, height: 10, "aria-hidden": "true" }, svg("line", { class: `mean name${k}`, x1: 0, x2: 26, y1: 5, y2: 5 }));
    legend.append(html("li", {}, sample, header.trajectories.variables[name]));
  });
  const charts = html("div", { class: "charts" });
  charts.style.gridTemplateColumns = `repeat(${columns}, ${width}px)`;
  lines.forEach((own, k) => charts.append(chart(own, row, header.optimizers[k], scale, width)));
  return html("figure", { "data-row": row.names.join(" ") }, html("figcaption", {}, html("h3", {}, row.title), legend), charts);
}

function heightScale(row, values) {
  if (row.range) return { low: -0.03, high: 1.03, log: false, ticks: [0, 0.25, 0.5, 0.75, 1] };
  const [low, high] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  if (!values.length) return { low: 0, high: 1, log: false, ticks: [] };
  const log = Boolean(row.log) && low > 0;
  const margin = log ? (high / low) ** 0.05 : (high - low) * 0.05 || Math.abs(high) * 0.05 || 1;
  const [from, to] = log ? [low / Math.max(margin, 1.05), high * Math.max(margin, 1.05)] : [low - margin, high + margin];
  return { low: from, high: to, log, ticks: ticksOf(from, to, 5, log) };
}

function chart(lines, row, label, scale, width) {
  const left = leftMargin([...scale.ticks.map((value) => written(value)), "0.0"], false);
  const frame = { left, top: 24, right: width - 20, bottom: 164 };
  const last = Math.max(...lines.map((line) => line.steps.at(-1)));
  const atX = placed(0, last || 1, frame.left, frame.right, false);
  const atY = placed(scale.low, scale.high, frame.bottom, frame.top, scale.log);
  const title = svg("text", { x: frame.left, y: 14, class: "title" }, label);
  const picture = svg("svg", { width, height: 208, role: "img", "aria-label": `${label}. ${chartWords(lines)}` }, title, frameLine(frame));
  if (scale.low < 0 && scale.high > 0 && !row.range) picture.append(svg("line", { class: "zero", x1: frame.left, x2: frame.right, y1: atY(0), y2: atY(0) }));
  picture.append(
    horizontalAxis(frame, linearTicks(0, last, 4).map((v) => [v, atX(v), written(v)]), "training step"),
    verticalAxis(frame, scale.ticks.map((v) => [v, atY(v), written(v)]), ""),
  );
  for (const { name, seed, steps, values } of lines) {
    const d = pathOf(steps.map(atX), [...values].map((v) => (scale.log && v <= 0 ? NaN : atY(v))));
    const kind = seed === null ? "mean" : "seed";
    picture.append(svg("path", { d, class: `${kind} name${row.names.indexOf(name)}`, "data-variable": name, "data-seed": seed ?? "mean" }));
  }
  if (!lines.some((line) => line.values.some(Number.isFinite))) {
    picture.append(svg("text", { x: (frame.left + frame.right) / 2, y: 98, "text-anchor": "middle", class: "name" }, "nothing computed"));
  }
  return picture;
}

function chartWords(lines) {
  const means = lines.filter((line) => line.seed === null);
  return means.map(({ name, values }) => `${header.trajectories.variables[name]}: mean from ${written(values[0])} to ${written(values.at(-1))}`).join("; ");
}

function seedTable(view, point) {
  const variable = header.variables[view.variable];
  const head = html("tr", {}, html("th", { scope: "col" }, "seed"));
  for (const label of header.optimizers) head.append(html("th", { scope: "col" }, label), html("th", { scope: "col" }, `status of ${label}`));
  const body = html("tbody");
  header.seeds.forEach((seed, k) => {
    const row = html("tr", {}, html("th", { scope: "row" }, String(seed)));
    header.optimizers.forEach((_, o) => {
      const status = statusesOf(o, point)[k];
      row.append(html("td", {}, written(valuesOf(variable, o, point)[k])), html("td", {}, status === PENDING ? "not computed" : header.statuses[status]));
    });
    body.append(row);
  });
  const table = html("table", { id: "seeds" }, html("caption", {}, `Final ${variable.label} of each seed`), html("thead", {}, head), body);
  return html("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Final values of each seed" }, table);
}
