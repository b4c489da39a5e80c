// Lighthouse (desktop) over the dashboard of a running meterd, with whatever it has stored:
//   METERD_URL=… METERD_API_KEY=… CHROMIUM=… npm run lighthouse
// Fails below the bars: performance 0.95, accessibility 1.
import lighthouse, { desktopConfig } from "lighthouse";
import puppeteer from "puppeteer-core";

const {
  METERD_URL: url = "http://127.0.0.1:8686",
  METERD_API_KEY: key,
  CHROMIUM = "/usr/bin/chromium",
} = process.env;
if (!key) throw new Error("METERD_API_KEY is missing");

const BARS = { performance: 0.95, accessibility: 1 };

const browser = await puppeteer.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
let failed = false;
try {
  const page = await browser.newPage();
  await page.evaluateOnNewDocument((item) => sessionStorage.setItem("meterd-key", item), key);
  const flags = { onlyCategories: Object.keys(BARS), logLevel: "error" };
  const result = await lighthouse(url, flags, desktopConfig, page);
  const { categories, audits } = result.lhr;
  for (const [name, least] of Object.entries(BARS)) {
    const { score } = categories[name];
    failed ||= score === null || score < least;
    console.log(`${name}: ${score} (at least ${least})`);
  }
  for (const name of [
    "first-contentful-paint",
    "largest-contentful-paint",
    "total-blocking-time",
    "speed-index",
  ]) {
    console.log(`${audits[name].title}: ${audits[name].displayValue}`);
  }
} finally {
  await browser.close();
}
process.exitCode = failed ? 1 : 0;
