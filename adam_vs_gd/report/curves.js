// The diagram of one axis: means with their intervals, the chosen optimizer's in front of the others'.

const STRIP = 12; // height of the strip that shows what became of the lanes

function curves(view, canvas, overlay, width) {
  const name = header.axes[0].name;
  const series = header.series[view.series];
  const axis = series.axes[name];
  const scale = header.variables[view.variable].scales[view.series];
  const beside = header.series
    .map((_, k) => k)
    .filter((k) => k !== view.series && header.series[k].optimizers.length === 1 && series.optimizers.length === 1)
    .filter((k) => header.series[k].axes[name].name === axis.name && header.series[k].axes[name].scale === axis.scale);
  const drawn = [...beside, view.series].map((k) => curveOf(view, k, name));
  const [low, high, log] = rangeOf(drawn, scale);
  const ticksY = ticksOf(low, high, 6, log);
  const left = leftMargin(ticksY.map((value) => written(value)), false);
  const depth = Math.round(Math.min(400, Math.max(220, (width - left) * 0.6)));
  const frame = { left, top: 8, right: width - 14, bottom: 8 + depth };
  const edges = drawn.flatMap((curve) => curve.axis.edges);
  const atX = placed(Math.min(...edges), Math.max(...edges), frame.left, frame.right, false);
  const atY = placed(low, high, frame.bottom - STRIP - 4, frame.top + 6, log);

  const [ctx, ratio] = cleared(canvas, width, frame.bottom + 48);
  const seen = newlySeen();
  const cells = axis.order.map((index) => cellAt(view, [index]));
  cells.forEach((cell, k) => {
    const [x0, x1] = [atX(axis.edges[k]), atX(axis.edges[k + 1])];
    if (cell.good < cell.asked) paint(ctx, [x0, frame.bottom - STRIP, x1 - x0, STRIP], cell, cell.pending ? NOT_COMPUTED : NO_VALUE, ratio);
    look(seen, cell);
  });

  overlay.replaceChildren(
    frameLine(frame),
    horizontalAxis(frame, axis.at.map((v, i) => [axis.ticks[i], atX(v), axis.ticks[i]]), fitting(axis, 0, frame.right - left)),
    verticalAxis(frame, ticksY.map((v) => [v, atY(v), written(v)]), ""),
    ...drawn.map((curve) => curveLines(curve, atX, atY, [frame.top, frame.bottom - STRIP - 2], curve.series === view.series)),
  );
  sized(overlay, width, frame.bottom + 48);
  const places = axis.at.map(atX);
  const heights = cells.map((cell) => (Number.isNaN(cell.mean) ? frame.bottom - STRIP / 2 : atY(cell.mean)));
  return {
    columns: axis.order.length,
    rows: 1,
    lines: [...drawn].sort((a, b) => a.series - b.series).map((curve) => [header.series[curve.series].label, `line series${curve.series % 6}`]),
    pointAt: (column) => [axis.order[column]],
    seen,
    cellOf: (point) => [axis.order.indexOf(point[0]), 0],
    hit: (x, y) => {
      const inside = x >= frame.left && x < frame.right && y > frame.top && y <= frame.bottom;
      const nearest = places.reduce((best, place, k) => (Math.abs(place - x) < Math.abs(places[best] - x) ? k : best), 0);
      return inside ? [nearest, 0] : null;
    },
    centre: (column) => [places[column], heights[column]],
    outline: (column) => (inset) => svg("circle", { cx: places[column], cy: heights[column], r: 9 - inset }),
  };
}

function curveOf(view, k, name) {
  const axis = header.series[k].axes[name];
  return { series: k, axis, cells: axis.order.map((index) => cellAt({ ...view, series: k }, [index])) };
}

function rangeOf(drawn, scale) {
  if (scale.kind === "error") return [0, 1, false];
  const bounded = (value) => Number.isFinite(value) && (scale.kind !== "log" || value > 0);
  const all = drawn.flatMap(({ cells }) => cells.flatMap((cell) => [cell.mean, cell.low, cell.high])).filter(bounded);
  if (!all.length) return [scale.low, scale.high, scale.kind === "log"];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  return low === high ? [low - 1, high + 1, false] : [low, high, scale.kind === "log"];
}

function curveLines({ series, axis, cells }, atX, atY, [top, bottom], front) {
  const group = svg("g", { class: `curve series${series % 6}${front ? " front" : ""}`, "data-series": header.series[series].label });
  const clipped = (value) => {
    const y = atY(value); // not a number below 0 on a logarithmic scale
    return Number.isNaN(y) ? bottom : Math.min(bottom, Math.max(top, y));
  };
  const places = axis.at.map(atX);
  let band = [];
  const closed = () => {
    if (band.length > 1) {
      const back = [...band].reverse();
      group.append(svg("path", { class: "band", d: `M${[...band.map((k) => `${places[k]} ${clipped(cells[k].high)}`), ...back.map((k) => `${places[k]} ${clipped(cells[k].low)}`)].join("L")}Z` }));
    }
    band = [];
  };
  cells.forEach((cell, k) => (Number.isFinite(cell.low) && Number.isFinite(cell.high) ? band.push(k) : closed()));
  closed();
  group.append(svg("path", { class: "line", d: pathOf(places, cells.map((cell) => atY(cell.mean))) }));
  cells.forEach((cell, k) => {
    if (Number.isNaN(cell.mean)) return;
    group.append(svg("circle", { class: cell.good < cell.asked ? "open" : "full", cx: places[k], cy: atY(cell.mean), r: 4 }));
  });
  return group;
}

// A line through places and heights, broken where one is not finite.
function pathOf(places, heights) {
  let [path, pen] = ["", "M"];
  heights.forEach((y, k) => {
    if (Number.isFinite(y)) path += `${pen}${places[k].toFixed(2)} ${y.toFixed(2)}`;
    pen = Number.isFinite(y) ? "L" : "M";
  });
  return path;
}
