// The selectors: native ones, each with its label.

function controls(form, view, changed) {
  const selectors = [];
  const add = (id, label, options, read, write) => {
    const select = html("select", { id });
    options.forEach((text, k) => select.append(html("option", { value: k }, text)));
    select.addEventListener("change", () => {
      write(Number(select.value));
      changed();
    });
    const field = html("div", { class: "field" }, html("label", { for: id }, label), select);
    form.append(field);
    selectors.push({ select, field, read });
  };
  add("series", "Optimizer", header.series.map((one) => one.label), () => view.series, (k) => (view.series = k));
  add("variable", "Variable", header.variables.map((one) => one.label), () => view.variable, (k) => (view.variable = k));
  const names = header.axes.map((axis) => axisWords(axis, view));
  if (names.length > 1) {
    add("x", "Across", names, () => view.x, (k) => {
      if (k === view.y) view.y = view.x;
      view.x = k;
    });
    add("y", "Up", names, () => view.y, (k) => {
      if (k === view.x) view.x = view.y;
      view.y = k;
    });
  }
  header.axes.forEach((axis, k) => {
    if (header.axes.length < 3) return;
    add(`axis-${axis.name}`, names[k], Array(axis.size).fill(""), () => view.at[k], (index) => (view.at[k] = index));
    const last = selectors.at(-1);
    last.shown = () => k !== view.x && k !== view.y;
    last.texts = () => header.series[view.series].axes[axis.name].texts;
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  return () => {
    for (const { select, field, read, shown, texts } of selectors) {
      if (shown) field.hidden = !shown();
      if (texts) texts().forEach((text, k) => (select.options[k].textContent = text));
      select.value = String(read());
    }
  };
}

function axisWords(axis, view) {
  return `${axis.symbol}: ${header.series[view.series].axes[axis.name].label.replace(` ${axis.symbol}`, "")}`;
}
