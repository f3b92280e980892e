// SVG, and axes drawn in it.

const FONT = "12px system-ui, sans-serif";
const ruler = document.createElement("canvas").getContext("2d");

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function widthOf(text) {
  ruler.font = FONT;
  return ruler.measureText(text).width;
}

// The smallest stride at which the labels of ascending places do not touch.
function strideOf(places, sizes, gap) {
  for (let stride = 1; stride < places.length; stride++) {
    let [clear, last] = [true, null];
    for (let i = 0; i < places.length && clear; i += stride) {
      if (last !== null) clear = Math.abs(places[i] - places[last]) >= (sizes[i] + sizes[last]) / 2 + gap;
      last = i;
    }
    if (clear) return stride;
  }
  return places.length;
}

// `ticks` are [value, place, text]; the frame is {left, top, right, bottom}.
function horizontalAxis(frame, ticks, label) {
  const group = svg("g", { class: "axis x" });
  const stride = strideOf(ticks.map((tick) => tick[1]), ticks.map((tick) => widthOf(tick[2])), 8);
  ticks.forEach(([value, x, text], i) => {
    const shown = i % stride === 0;
    group.append(svg("line", { x1: x, x2: x, y1: frame.bottom, y2: frame.bottom + (shown ? 5 : 3) }));
    if (!shown) return;
    const mark = svg("text", { x, y: frame.bottom + 18, "text-anchor": "middle", "data-value": value });
    mark.append(text);
    group.append(mark);
  });
  const name = svg("text", { x: (frame.left + frame.right) / 2, y: frame.bottom + 38, "text-anchor": "middle", class: "name" });
  name.append(label);
  group.append(name);
  return group;
}

function verticalAxis(frame, ticks, label) {
  const group = svg("g", { class: "axis y" });
  const stride = strideOf(ticks.map((tick) => tick[1]), ticks.map(() => 12), 4);
  ticks.forEach(([value, y, text], i) => {
    const shown = i % stride === 0;
    group.append(svg("line", { x1: frame.left, x2: frame.left - (shown ? 5 : 3), y1: y, y2: y }));
    if (!shown) return;
    const mark = svg("text", { x: frame.left - 8, y: y + 4, "text-anchor": "end", "data-value": value });
    mark.append(text);
    group.append(mark);
  });
  if (!label) return group;
  const middle = (frame.top + frame.bottom) / 2;
  const name = svg("text", { transform: `translate(12 ${middle}) rotate(-90)`, "text-anchor": "middle", class: "name" });
  name.append(label);
  group.append(name);
  return group;
}

function frameLine(frame) {
  return svg("rect", {
    class: "frame", x: frame.left, y: frame.top, width: frame.right - frame.left, height: frame.bottom - frame.top,
  });
}

// The axis in words, or its symbol where these do not fit.
function fitting(axis, index, room) {
  return widthOf(axis.label) <= room ? axis.label : header.axes[index].symbol;
}

function leftMargin(texts, label) {
  return (label ? 22 : 4) + Math.max(...texts.map(widthOf)) + 10;
}

// A canvas of the size of `width` x `height` CSS pixels, empty; returns its context and the device's ratio.
function cleared(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const ctx = canvas.getContext("2d");
  ctx.scale(ratio, ratio);
  return [ctx, ratio];
}
