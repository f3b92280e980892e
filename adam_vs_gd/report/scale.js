// From numbers to places, colours and text.

function written(value, digits = 4) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(digits))).replace("-", "−") : "none";
}

// A function from values to pixels.
function placed(low, high, from, to, log) {
  const f = log ? Math.log : (value) => value;
  const [start, span] = [f(low), f(high) - f(low) || 1];
  return (value) => from + ((f(value) - start) / span) * (to - from);
}

function linearTicks(low, high, most) {
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((candidate) => candidate >= rough * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

// Powers of ten; where there are fewer than two of them, round numbers.
function logTicks(low, high, most) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  if (last - first < 1) return linearTicks(low, high, most).filter((value) => value > 0);
  const stride = Math.ceil((last - first + 1) / most);
  const ticks = [];
  for (let k = first; k <= last; k += stride) ticks.push(10 ** k);
  return ticks;
}

function ticksOf(low, high, most, log) {
  return log ? logTicks(low, high, most) : linearTicks(low, high, most);
}

const MAPS = Object.fromEntries(
  Object.entries(header.colours).map(([name, digits]) => [name, digits.match(/.{6}/g).map((six) => `#${six}`)]),
);

// A function from a fraction of the colour bar to a colour.
function shaded(scale) {
  const map = MAPS[scale.map];
  return (fraction) => map[Math.min(255, Math.max(0, Math.floor(fraction * 256)))];
}

// A function from values to colours.
function coloured(scale) {
  const shade = shaded(scale);
  const at = placed(scale.low, scale.high, 0, 1, scale.kind === "log");
  return (value) => shade(at(value));
}

function isLight(colour) {
  const [red, green, blue] = [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 150;
}
