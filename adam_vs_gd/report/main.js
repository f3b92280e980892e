// The page: what is shown, and what the reader does with it.

const byId = (id) => document.getElementById(id);
const diagram = byId("diagram");
const [canvas, overlay, tooltip] = [diagram.querySelector("canvas"), diagram.querySelector("svg"), byId("tooltip")];
const initial = header.initial;
const view = {
  series: 0,
  variable: Math.max(0, header.variables.findIndex((variable) => variable.name === header.main)),
  x: initial.x,
  y: initial.y,
  at: header.axes.map(() => 0),
  chosen: header.axes.length === 0,
};
let cursor = null; // [column, row] under the pointer or the keyboard
let picture = null;
const showControls = controls(byId("controls"), view, changed);

function draw() {
  showControls();
  byId("caption").textContent = captionWords(view);
  if (header.axes.length === 0) return;
  picture = (header.axes.length > 1 ? heatmap : curves)(view, canvas, overlay, Math.max(260, diagram.clientWidth));
  overlay.append(svg("g", { id: "marks" }));
  drawLegend(byId("legend"), picture);
  diagram.setAttribute("aria-label", `${captionWords(view)}: diagram of ${picture.columns} by ${picture.rows} cells`);
  mark();
  if (byId("numbers").open) drawTable();
}

function drawTable() {
  const target = byId("numbers").querySelector("div");
  target.replaceChildren(sliceTable(view, picture));
}

// Outlines of the chosen cell and of the one that is pointed at.
function mark() {
  const marks = byId("marks");
  marks.replaceChildren();
  const outline = (cell, kind) => {
    const shape = picture.outline(...cell);
    for (const [inset, layer] of [[0, "outer"], [2, "inner"]]) {
      const element = shape(inset);
      element.setAttribute("class", `${kind} ${layer}`);
      marks.append(element);
    }
  };
  if (cursor) outline(cursor, "cursor");
  if (view.chosen) outline(picture.cellOf(view.at), "chosen");
}

function point(cell) {
  cursor = cell;
  mark();
  tooltip.hidden = !cell;
  if (!cell) return;
  const at = picture.pointAt(...cell);
  byId("readout").textContent = sentence(view, at);
  const list = html("dl");
  described(view, at).forEach(([term, text]) => list.append(html("dt", {}, term), html("dd", {}, text)));
  tooltip.replaceChildren(list);
  const [x, y] = picture.centre(...cell);
  const [width, height] = [tooltip.offsetWidth, tooltip.offsetHeight];
  const beside = x + 18 + width <= diagram.clientWidth ? x + 18 : Math.max(0, x - 18 - width);
  tooltip.style.left = `${beside}px`;
  tooltip.style.top = `${Math.max(0, Math.min(y - height / 2, diagram.clientHeight - height))}px`;
}

function choose(cell) {
  view.at = picture.pointAt(...cell);
  view.chosen = true;
  mark();
  showChosen();
  remember();
}

function showChosen() {
  const words = byId("chosen");
  if (!view.chosen) {
    words.textContent = "Choose a cell of the diagram to see its trajectories.";
    byId("charts").replaceChildren();
    return;
  }
  words.textContent = header.axes.length ? `At ${coordinateWords(view, view.at)}` : "Nothing is swept: one point.";
  drawTrajectories(byId("charts"), view);
}

function changed() {
  cursor = null;
  tooltip.hidden = true;
  byId("readout").textContent = "";
  draw();
  showChosen();
  remember();
}

// The view stands in the address, so that it can be linked to; in a notebook's frame the page has none.
let writing = 0;
function remember() {
  if (location.protocol === "about:") return;
  clearTimeout(writing);
  writing = setTimeout(() => history.replaceState(null, "", `#${addressOf()}`), 150);
}

function addressOf() {
  const words = new URLSearchParams({ show: header.series[view.series].label, variable: header.variables[view.variable].name });
  if (header.axes.length > 1) {
    words.set("x", header.axes[view.x].name);
    words.set("y", header.axes[view.y].name);
  }
  header.axes.forEach((axis, k) => words.set(`at.${axis.name}`, view.at[k]));
  if (view.chosen && header.axes.length) words.set("chosen", "yes");
  return words.toString();
}

function recall() {
  const words = new URLSearchParams(location.hash.slice(1));
  const find = (list, key, name) => list.findIndex((one) => one[name] === words.get(key));
  const found = {
    series: find(header.series, "show", "label"), variable: find(header.variables, "variable", "name"),
    x: find(header.axes, "x", "name"), y: find(header.axes, "y", "name"),
  };
  if (found.x === found.y) found.x = found.y = -1;
  for (const [key, index] of Object.entries(found)) if (index >= 0) view[key] = index;
  header.axes.forEach((axis, k) => {
    const index = Number(words.get(`at.${axis.name}`) ?? NaN);
    if (Number.isInteger(index) && index >= 0 && index < axis.size) view.at[k] = index;
  });
  view.chosen = header.axes.length === 0 || words.get("chosen") === "yes";
}

function cellUnder(event) {
  const bounds = canvas.getBoundingClientRect();
  return picture.hit(event.clientX - bounds.left, event.clientY - bounds.top);
}

function moved(cell, key) {
  const [column, row] = cell;
  const to = {
    ArrowLeft: [column - 1, row], ArrowRight: [column + 1, row], ArrowUp: [column, row + 1], ArrowDown: [column, row - 1],
    Home: [0, row], End: [picture.columns - 1, row],
  }[key];
  return to && [Math.min(picture.columns - 1, Math.max(0, to[0])), Math.min(picture.rows - 1, Math.max(0, to[1]))];
}

function pressed(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const here = cursor ?? (view.chosen ? picture.cellOf(view.at) : [0, 0]);
  const to = moved(here, event.key);
  if (to) point(cursor ? to : here);
  else if (event.key === "Enter" || event.key === " ") choose(here);
  else if (event.key === "Escape") tooltip.hidden = true;
  else return;
  event.preventDefault();
}

function listen() {
  diagram.addEventListener("pointermove", (event) => {
    const cell = cellUnder(event);
    if (String(cell) !== String(cursor) || (cell && tooltip.hidden)) point(cell);
  });
  diagram.addEventListener("pointerleave", () => point(null));
  diagram.addEventListener("click", (event) => {
    const cell = cellUnder(event);
    if (!cell) return;
    point(cell);
    choose(cell);
  });
  diagram.addEventListener("keydown", pressed);
  diagram.addEventListener("focus", () => {
    if (!cursor && diagram.matches(":focus-visible")) point(view.chosen ? picture.cellOf(view.at) : [0, 0]);
  });
  diagram.addEventListener("blur", () => point(null));
  byId("numbers").addEventListener("toggle", () => byId("numbers").open && drawTable());
}

function start() {
  byId("pictures").hidden = false;
  if (header.axes.length === 0) for (const id of ["diagram", "legend", "readout", "keys", "numbers"]) byId(id).hidden = true;
  else listen();
  recall();
  window.addEventListener("hashchange", () => {
    recall();
    changed();
  });
  let width = 0;
  new ResizeObserver(() => {
    if (byId("pictures").clientWidth === width) return;
    width = byId("pictures").clientWidth;
    draw();
    showChosen();
  }).observe(byId("pictures"));
  draw();
  showChosen();
  document.body.dataset.ready = "yes";
}

start();
