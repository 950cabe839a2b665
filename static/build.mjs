// Copies the front-end files named in package-lock.json to static/vendor and bundles the chart library.
// Run: npm run build (make assets does, after npm ci). Nothing in static/vendor is committed.
import { build } from "esbuild";
import { cp, mkdir, rm } from "node:fs/promises";

const modules = new URL("../node_modules/", import.meta.url);
const vendor = new URL("./vendor/", import.meta.url);
const fonts = {
  "source-sans-latin": "source-sans-3/files/source-sans-3-latin-wght-normal",
  "source-sans-latin-ext": "source-sans-3/files/source-sans-3-latin-ext-wght-normal",
  "source-serif-latin": "source-serif-4/files/source-serif-4-latin-wght-normal",
  "source-serif-latin-ext": "source-serif-4/files/source-serif-4-latin-ext-wght-normal",
};

await rm(vendor, { recursive: true, force: true });
await mkdir(new URL("fonts/", vendor), { recursive: true });
await cp(new URL("htmx.org/dist/htmx.min.js", modules), new URL("htmx.min.js", vendor));
for (const [name, path] of Object.entries(fonts))
  await cp(new URL(`@fontsource-variable/${path}.woff2`, modules), new URL(`fonts/${name}.woff2`, vendor));

await build({
  stdin: {
    contents: `export { default as embed } from "vega-embed"; export { Error as logError } from "vega"; export { expressionInterpreter } from "vega-interpreter";`,
    resolveDir: new URL("..", import.meta.url).pathname,
  },
  bundle: true, minify: true, format: "esm", target: "es2022", legalComments: "none",
  outfile: new URL("charts.js", vendor).pathname,
});
