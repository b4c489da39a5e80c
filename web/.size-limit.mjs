// What the browser fetches before the first page shows, and what waits until a chart is seen.
import { readFileSync } from "node:fs";

const page = readFileSync(new URL("dist/index.html", import.meta.url), "utf8");
const first = [...page.matchAll(/(?:href|src)="\/(assets\/[^"]+)"/g)].map(([, path]) => `dist/${path}`);

export default [
  { name: "entry", path: first, gzip: true, limit: "150 kB" },
  { name: "charts", path: "dist/assets/trend-chart-*.js", gzip: true, limit: "120 kB" },
];
