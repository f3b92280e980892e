// The diagram of two axes. A picture is {columns, rows, pointAt(column, row), hit(x, y), outline(column, row), seen}.

const BAR = 12; // height of the colour bar

function heatmap(view, canvas, overlay, width) {
  const series = header.series[view.series];
  const [across, up] = [view.x, view.y].map((k) => series.axes[header.axes[k].name]);
  const scale = header.variables[view.variable].scales[view.series];
  const left = leftMargin(up.ticks, true);
  const depth = Math.round(Math.min(460, Math.max(220, (width - left) * 0.72)));
  const frame = { left, top: 48, right: width - 14, bottom: 48 + depth };
  const [ctx, ratio] = cleared(canvas, width, frame.bottom + 48);
  const snapped = (x) => Math.round(x * ratio) / ratio;
  const atX = placed(across.edges[0], across.edges.at(-1), frame.left, frame.right, false);
  const atY = placed(up.edges[0], up.edges.at(-1), frame.bottom, frame.top, false);
  const [edgesX, edgesY] = [across.edges.map((e) => snapped(atX(e))), up.edges.map((e) => snapped(atY(e)))];

  const pointAt = (column, row) => {
    const point = [...view.at];
    point[view.x] = across.order[column];
    point[view.y] = up.order[row];
    return owner(view.series, point);
  };
  const box = (column, row) => [
    edgesX[column], edgesY[row + 1], edgesX[column + 1] - edgesX[column], edgesY[row] - edgesY[row + 1],
  ];
  const colour = coloured(scale);
  const seen = newlySeen();
  for (let row = 0; row < up.order.length; row++) {
    for (let column = 0; column < across.order.length; column++) {
      const cell = cellAt(view, pointAt(column, row));
      seen.fractions = paint(ctx, box(column, row), cell, fillOf(cell, colour), ratio) || seen.fractions;
      look(seen, cell);
    }
  }
  paintBar(ctx, frame, scale);

  overlay.replaceChildren(
    barAxis(frame, scale),
    frameLine(frame),
    horizontalAxis(frame, across.at.map((v, i) => [across.ticks[i], atX(v), across.ticks[i]]), fitting(across, view.x, frame.right - left)),
    verticalAxis(frame, up.at.map((v, i) => [up.ticks[i], atY(v), up.ticks[i]]), fitting(up, view.y, depth)),
  );
  sized(overlay, width, frame.bottom + 48);
  return {
    columns: across.order.length,
    rows: up.order.length,
    pointAt,
    seen,
    cellOf: (point) => [across.order.indexOf(point[view.x]), up.order.indexOf(point[view.y])],
    hit: (x, y) => {
      const inside = x >= frame.left && x < frame.right && y > frame.top && y <= frame.bottom;
      return inside ? [between(edgesX, x), between(edgesY, y)] : null;
    },
    centre: (column, row) => [atX(across.at[column]), atY(up.at[row])],
    outline: (column, row) => {
      const [x, y, w, h] = box(column, row);
      return (inset) => svg("rect", { x: x + inset, y: y + inset, width: Math.max(1, w - 2 * inset), height: Math.max(1, h - 2 * inset) });
    },
  };
}

// Which of the intervals between monotone edges holds a place.
function between(edges, place) {
  const sign = edges.at(-1) > edges[0] ? 1 : -1;
  let [low, high] = [0, edges.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sign * place >= sign * edges[middle]) low = middle;
    else high = middle;
  }
  return low;
}

function sized(overlay, width, height) {
  overlay.setAttribute("width", width);
  overlay.setAttribute("height", height);
}

function paintBar(ctx, frame, scale) {
  const shade = shaded(scale);
  const span = frame.right - frame.left;
  const bar = ctx.createLinearGradient(frame.left, 0, frame.right, 0);
  for (let k = 0; k < 256; k++) bar.addColorStop((k + 0.5) / 256, shade((k + 0.5) / 256));
  ctx.fillStyle = bar;
  ctx.fillRect(frame.left, 2, span, BAR);
}

function barAxis(frame, scale) {
  const log = scale.kind === "log";
  const bar = { ...frame, bottom: 2 + BAR };
  const at = placed(scale.low, scale.high, frame.left, frame.right, log);
  let values = ticksOf(scale.low, scale.high, 6, log);
  if (scale.kind === "error") values = [0, 0.25, 0.5, 0.75, 1];
  const text = (value) => (scale.kind === "error" && value === scale.chance ? `${written(value)} (chance)` : written(value));
  const group = horizontalAxis(bar, values.map((value) => [value, at(value), text(value)]), "");
  group.setAttribute("class", "axis bar");
  if (scale.kind === "error") {
    const chance = { x1: at(scale.chance), x2: at(scale.chance), y1: 2, y2: 2 + BAR };
    group.append(svg("line", { ...chance, class: "under" }), svg("line", { ...chance, class: "chance" }));
  }
  group.append(svg("rect", { class: "frame", x: frame.left, y: 2, width: frame.right - frame.left, height: BAR }));
  return group;
}
