// How a cell is painted. Colour is the mean; what became of the lanes is never told by colour alone.

const NOT_COMPUTED = "#bfbfbf";
const NO_VALUE = "#ffffff";
const CROSS = "#d55e00";
const TILE = 8;
// By the letters that matplotlib has for them.
const STROKES = {
  "/": (ctx) => stroke(ctx, [[-2, 2, 2, -2], [0, TILE, TILE, 0], [TILE - 2, TILE + 2, TILE + 2, TILE - 2]]),
  "\\": (ctx) => stroke(ctx, [[-2, TILE - 2, 2, TILE + 2], [0, 0, TILE, TILE], [TILE - 2, -2, TILE + 2, 2]]),
  o: (ctx) => {
    ctx.beginPath();
    ctx.arc(TILE / 2, TILE / 2, 2.2, 0, 7);
    ctx.stroke();
  },
};
const CROSSED = header.hatches.filter(([, hatch]) => hatch === "x");
const HATCHED = header.hatches.filter(([, hatch]) => hatch !== "x");
const HATCHES = new Map(HATCHED.map(([status, hatch]) => [status, STROKES[hatch[0]] ?? STROKES["/"]]));
const patterns = new Map();

function stroke(ctx, lines) {
  ctx.beginPath();
  for (const [x0, y0, x1, y1] of lines) {
    ctx.moveTo(x0, y0);
    ctx.lineTo(x1, y1);
  }
  ctx.stroke();
}

function pattern(ctx, status, colour, ratio) {
  const key = `${status} ${colour} ${ratio}`;
  if (!patterns.has(key)) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = TILE * ratio;
    const inner = tile.getContext("2d");
    inner.scale(tile.width / TILE, tile.height / TILE);
    inner.strokeStyle = colour;
    HATCHES.get(status)(inner);
    const made = ctx.createPattern(tile, "repeat");
    made.setTransform(new DOMMatrix().scale(TILE / tile.width));
    patterns.set(key, made);
  }
  return patterns.get(key);
}

// The hatched status that most lanes of a cell have; null if none has one.
function hatchOf(cell) {
  const count = (status) => cell.counts[header.statuses.indexOf(status)];
  const there = [...HATCHES.keys()].filter((status) => count(status) > 0);
  return there.length ? there.reduce((a, b) => (count(b) > count(a) ? b : a)) : null;
}

function fillOf(cell, colour) {
  if (cell.pending) return NOT_COMPUTED;
  return Number.isNaN(cell.mean) ? NO_VALUE : colour(cell.mean);
}

// `box` is [x, y, width, height] in CSS pixels, `ratio` the device's pixels in one. Returns whether a fraction is written.
function paint(ctx, box, cell, fill, ratio) {
  const [x, y, width, height] = box;
  ctx.fillStyle = fill;
  ctx.fillRect(x, y, width, height);
  if (cell.pending) return false; // of a difference one side may be there: that is not a value
  const hatch = hatchOf(cell);
  const ink = isLight(fill) ? "#222222" : "#ffffff";
  if (hatch) {
    ctx.fillStyle = pattern(ctx, hatch, ink, ratio);
    ctx.fillRect(x, y, width, height);
  }
  if (cell.counts[PENDING] > 0) paintCorner(ctx, box);
  const crossed = CROSSED.some(([status]) => cell.counts[header.statuses.indexOf(status)] > 0);
  const written = cell.mixed && width >= 36 && height >= 22;
  const [cx, cy] = [x + width / 2, y + height / 2];
  if (written) paintFraction(ctx, cx, cy, `${cell.good}/${cell.asked}`);
  if (crossed) paintCross(ctx, written ? x + width - 7 : cx, written ? y + 7 : cy, Math.min(width, height, 12) / 2.4);
  if (cell.difference) {
    const radius = Math.min(3.2, Math.max(1.3, Math.min(width, height) / 6));
    const sign = cell.low > 0 ? 1 : cell.high < 0 ? -1 : 0;
    if (sign) paintDot(ctx, written ? x + 7 : cx, written ? y + 7 : cy, radius, sign > 0, ink);
  }
  return written;
}

function paintCorner(ctx, [x, y, width, height]) {
  const size = Math.min(width, height) * 0.45;
  ctx.fillStyle = NOT_COMPUTED;
  ctx.beginPath();
  ctx.moveTo(x + width, y + height - size);
  ctx.lineTo(x + width, y + height);
  ctx.lineTo(x + width - size, y + height);
  ctx.fill();
}

function paintFraction(ctx, cx, cy, text) {
  ctx.font = "11px system-ui, sans-serif";
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.lineJoin = "round";
  ctx.lineWidth = 4;
  ctx.strokeStyle = "#191919";
  ctx.strokeText(text, cx, cy + 0.5);
  ctx.fillStyle = "#ffffff";
  ctx.fillText(text, cx, cy + 0.5);
}

function paintCross(ctx, cx, cy, half) {
  const lines = [[cx - half, cy - half, cx + half, cy + half], [cx - half, cy + half, cx + half, cy - half]];
  for (const [colour, width] of [["#ffffff", 4], [CROSS, 2]]) {
    ctx.strokeStyle = colour;
    ctx.lineWidth = width;
    stroke(ctx, lines);
  }
}

function paintDot(ctx, cx, cy, radius, filled, ink) {
  ctx.beginPath();
  ctx.arc(cx, cy, radius, 0, 7);
  ctx.fillStyle = ctx.strokeStyle = ink;
  ctx.lineWidth = 1.2;
  if (filled) ctx.fill();
  ctx.stroke();
}
