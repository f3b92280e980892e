// The numbers of the page. A point is an array with an index for each swept axis.

const header = JSON.parse(document.getElementById("header").textContent);
const PENDING = header.statuses.indexOf("pending");
const isGood = (status) => header.good.includes(status);
const GOOD = header.statuses[header.good[0]];

function complain(text) {
  const place = document.getElementById("trouble");
  place.textContent = text;
  place.hidden = false;
}
if (!("DecompressionStream" in window)) complain("This browser is too old to unpack the numbers of this page (it lacks DecompressionStream).");

async function unpacked(id) {
  const element = document.getElementById(id);
  const text = atob(element.textContent);
  element.textContent = "";
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The bytes of the floats stand apart in a blob: first all first bytes, and so on.
function floats(bytes, first, count) {
  const joined = new Uint8Array(4 * count);
  for (let k = 0; k < 4; k++) {
    for (let i = 0, from = first + k * count; i < count; i++) joined[4 * i + k] = bytes[from + i];
  }
  return new Float32Array(joined.buffer);
}

// A function from names to arrays, each of which is put together when it is first asked for.
function arrays(bytes, places) {
  const made = new Map();
  return (name) => {
    if (!made.has(name)) {
      const [first, count, kind] = places[name];
      made.set(name, kind === "i1" ? new Int8Array(bytes.buffer, first, count) : floats(bytes, first, count));
    }
    return made.get(name);
  };
}

const final = arrays(await unpacked("finals"), header.finals);
const POINTS = header.axes.reduce((product, axis) => product * axis.size, 1);
const SEEDS = header.seeds.length;

let trajectory = null; // names to arrays, once something has asked for it
async function loadTrajectories() {
  trajectory ??= unpacked("paths").then((bytes) => arrays(bytes, header.paths));
  return trajectory;
}

function place(point) {
  return header.axes.reduce((index, axis, k) => index * axis.size + point[k], 0);
}

function statusesOf(optimizer, point) {
  const first = (optimizer * POINTS + place(point)) * SEEDS;
  return final("status").subarray(first, first + SEEDS);
}

function valuesOf(variable, optimizer, point) {
  const first = (optimizer * POINTS + place(point)) * SEEDS;
  return final(variable.name).subarray(first, first + SEEDS);
}

// Of refined results the point whose lanes a place shows, that is the nearest with some; of others the place itself.
function owner(series, point) {
  if (!header.uneven) return point;
  let index = final(`owner/${series}`)[place(point)];
  const found = [...point];
  for (let k = header.axes.length - 1; k >= 0; k--) {
    found[k] = index % header.axes[k].size;
    index = Math.floor(index / header.axes[k].size);
  }
  return found;
}

// What a diagram shows at a point: mean, interval and seeds as the package computed them, and what became of the lanes.
function cellAt(view, point) {
  const variable = header.variables[view.variable];
  const series = header.series[view.series];
  const index = place(point);
  const [mean, low, high, seeds] = ["mean", "low", "high", "seeds"].map(
    (field) => final(`${variable.name}/${view.series}/${field}`)[index],
  );
  const counts = header.statuses.map(() => 0);
  const lanes = series.optimizers.map((optimizer) => statusesOf(optimizer, point));
  const pending = lanes.some((statuses) => statuses.every((status) => status === PENDING));
  // Of refined results a seed that is not there was not asked for.
  const asked = header.seeds
    .map((_, k) => k)
    .filter((k) => !header.uneven || pending || lanes.every((statuses) => statuses[k] !== PENDING));
  for (const statuses of lanes) asked.forEach((k) => counts[statuses[k]]++);
  const good = asked.filter((k) => lanes.every((statuses) => isGood(statuses[k]))).length;
  const mixed = counts.filter((count) => count > 0).length > 1;
  return { mean, low, high, seeds, counts, pending, asked: asked.length, good, mixed, difference: lanes.length > 1 };
}
