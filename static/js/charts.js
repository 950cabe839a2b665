// Draws every [data-chart]: fetches its specification, resolves token names to colours and fonts, keeps it current.
// Specifications come from Python; those with usermeta.again (seconds) are fetched again while the page is seen.
const here = document.querySelector("script[data-chart-bundle]")?.dataset ?? {};
const bundle = here.chartBundle ?? new URL("../vendor/charts.js", import.meta.url).href;
const themeUrl = here.chartTheme ?? new URL("../charts/theme.json", import.meta.url).href;

const probe = document.body.appendChild(document.createElement("i"));
probe.hidden = true;
const token = (name) => {
  const raw = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  if (!raw.includes("light-dark") && !raw.startsWith("#")) return raw || name;
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
};
const resolve = (x) =>
  typeof x === "string" ? (x.startsWith("--") ? token(x) : x)
  : Array.isArray(x) ? x.map(resolve)
  : x && typeof x === "object" ? Object.fromEntries(Object.entries(x).map(([k, v]) => [k, k === "data" ? v : resolve(v)]))
  : x;

const tip = Object.assign(document.createElement("dl"), { className: "tip", hidden: true });
document.body.append(tip);
const tooltip = (_handler, event, _item, value) => {
  tip.hidden = !value || typeof value !== "object";
  if (tip.hidden) return;
  tip.replaceChildren(...Object.entries(value).flatMap(([k, v]) =>
    [Object.assign(document.createElement("dt"), { textContent: k }), Object.assign(document.createElement("dd"), { textContent: v })]));
  const w = tip.offsetWidth, h = tip.offsetHeight;
  tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - w - 8))}px`;
  tip.style.top = `${Math.max(8, event.clientY - h - 14)}px`;
};

const get = (url) => fetch(url, { headers: { Accept: "application/json" } }).then((r) => {
  if (!r.ok) throw new Error(`${url}: ${r.status}`);
  return r.json();
});
const theme = get(themeUrl);

function name(el, text) { // one picture with one name; the data stands in the table below it
  const svg = el.querySelector("svg");
  for (const e of [svg, ...svg.querySelectorAll("[role], [aria-label], [aria-roledescription]")])
    for (const a of ["role", "aria-label", "aria-roledescription"]) e.removeAttribute(a);
  svg.setAttribute("aria-hidden", "true");
  el.setAttribute("role", "img");
  el.setAttribute("aria-label", text);
}

async function paint(el) {
  const [library, plain] = await Promise.all([import(bundle), theme]);
  el.vega?.finalize();
  el.vega = await library.embed(el, resolve(el.spec), {
    mode: "vega-lite", renderer: "svg", actions: false, defaultStyle: false, logLevel: library.logError,
    ast: true, expr: library.expressionInterpreter, config: resolve(plain), tooltip,
  });
  name(el, el.spec.description);
  el.dataset.drawn = "";
}

async function draw(el) {
  clearTimeout(el.timer);
  if (!el.isConnected) return el.vega?.finalize();
  try {
    const spec = document.hidden && el.spec ? el.spec : await get(el.dataset.chart);
    const changed = JSON.stringify(spec) !== JSON.stringify(el.spec);
    el.spec = spec;
    if (changed) await paint(el);
  } catch {
    if (!el.spec) el.textContent = "This figure could not be loaded. The numbers are in the table; reload the page to try again.";
  }
  if (el.spec?.usermeta?.again) el.timer = setTimeout(() => draw(el), el.spec.usermeta.again * 1000);
}

const charts = () => [...document.querySelectorAll("[data-chart]")];
async function start(root) {
  await document.fonts.ready; // widths of labels are measured in the real font
  await Promise.all(charts().filter((el) => !el.spec && root.contains(el)).map(draw));
  document.documentElement.dataset.charts = "drawn";
}
const repaint = () => charts().filter((el) => el.spec).forEach(paint);
start(document);
addEventListener("themechange", repaint);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
document.addEventListener("htmx:afterSettle", () => start(document));
