// Opens every page of a running server in a real browser, uses the filters, and drills from a chart to one message.
//
//   BASE_URL=http://127.0.0.1:8025 node tests/browser/pages.mjs
//
// The server must hold some mail (the demo does). Fails on a console error, a breach of the content security policy, a
// failed request, or a page that is wider than its window. Prints one line for each check; exit status 1 on a failure.
// BROWSER names the browser (default /usr/bin/chromium); SHOTS a folder for screenshots.
import { join } from "node:path";
import { chromium } from "playwright-core";

const BASE_URL = process.env.BASE_URL?.replace(/\/$/, "");
const BROWSER = process.env.BROWSER ?? "/usr/bin/chromium";
const PAGES = ["/", "/providers", "/bounces", "/complaints", "/dmarc", "/dmarc/records", "/dmarc/failures", "/suppressions", "/suppressions/webhooks", "/audit", "/tls", "/reputation", "/reputation/blocklists", "/reputation/dns", "/reputation/compliance", "/reputation/warmup", "/deferrals", "/messages", "/alerts", "/sources", "/health", "/health/rejects", "/help/metrics"];
/** Pages about one subject of the test's server; on another server they say that they know nothing of it. */
const DETAILS = ["/reputation?ip=192.0.2.2", "/reputation/blocklists?subject=192.0.2.2", "/reputation/dns?subject=shop.example", "/reputation/compliance?subject=shop.example"];
const WIDTHS = [1280, 390];
const PAGE_TIMEOUT_MS = 15_000;

if (!BASE_URL) {
  console.error("set BASE_URL to the address of a running server, such as http://127.0.0.1:8025");
  process.exit(2);
}

// each run has an empty profile of its own
const browser = await chromium.launch({
  executablePath: BROWSER,
  headless: true,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});
const page = await browser.newPage();
page.setDefaultTimeout(PAGE_TIMEOUT_MS);

/** What went wrong since the last check. An answer that a check expects to be an error is not counted. */
let faults = [];
let expectedStatus = null;
let failures = 0;
page.on("console", (message) => {
  const isExpected = expectedStatus && message.text().includes(`status of ${expectedStatus}`);
  if (message.type() === "error" && !isExpected) faults.push(`console: ${message.text()}`);
});
page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
page.on("requestfailed", (request) => {
  const why = request.failure()?.errorText;
  // a click that leaves the page stops what is still on its way
  if (why !== "net::ERR_ABORTED") faults.push(`request: ${request.url()} ${why}`);
});
page.on("response", (response) => {
  if (response.status() >= 400 && response.status() !== expectedStatus) {
    faults.push(`response: ${response.status()} ${response.url()}`);
  }
});

async function check(name, run) {
  faults = [];
  try {
    await run();
  } catch (error) {
    faults.push(error.message.split("\n")[0]);
  }
  if (faults.length > 0) failures += 1;
  console.log(`${faults.length > 0 ? "FAIL" : "ok  "} ${name}`);
  for (const fault of faults) console.log(`     ${fault}`);
}

function insist(condition, text) {
  if (!condition) throw new Error(text);
}

async function open(path) {
  await page.goto(BASE_URL + path, { waitUntil: "networkidle" });
}

async function shoot(name) {
  if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, `${name}.png`), fullPage: true });
}

/** The filter values of the address, as the page understood them. */
const query = () => new URL(page.url()).searchParams;

for (const width of WIDTHS) {
  for (const scheme of ["light", "dark"]) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme: scheme });
    for (const path of [...PAGES, ...DETAILS]) {
      await check(`${path} at ${width} px, ${scheme}`, async () => {
        await open(path);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        insist(overflow <= 0, `the page is ${overflow} px wider than the window`);
        const nav = await page.locator(".top").evaluate((top) => top.scrollWidth - top.clientWidth);
        insist(nav <= 0, `the navigation is ${nav} px wider than its bar`);
        const hidden = await page.evaluate(() => {
          const frames = [...document.querySelectorAll(".table-scroll:has(> .stacks)")];
          return Math.max(0, ...frames.map((frame) => frame.scrollWidth - frame.clientWidth));
        });
        insist(hidden <= 0, `${hidden} px of a table whose last column matters are out of sight`);
        insist((await page.locator("main").innerText()).trim() !== "", "the page is empty");
        await shoot(`${path.replaceAll(/[/?=]/g, "_")}-${width}-${scheme}`);
      });
    }
  }
}

await page.setViewportSize({ width: 1280, height: 800 });
await page.emulateMedia({ colorScheme: "light" });

await check("charts are drawn, and say the same as a table", async () => {
  await open("/?range=30d");
  await page.locator("figure.chart canvas").first().waitFor();
  const figure = page.locator("figure[data-chart='trend']");
  await figure.locator(".table-toggle").click();
  insist(await figure.locator("table").isVisible(), "the table does not show");
  await figure.locator(".table-toggle").click();
  insist(await figure.locator("canvas").first().isVisible(), "the chart does not come back");
});

for (const path of ["/", "/bounces", "/deferrals", "/health"]) {
  await check(`${path}: what happened meanwhile is marked, and listed for those who cannot see it`, async () => {
    await open(`${path}?range=24h`);
    const figure = page.locator("figure.chart").first();
    await figure.locator("canvas").first().waitFor();
    const { marks } = await figure.locator("script").textContent().then(JSON.parse);
    insist(marks.some((mark) => mark.title === "new pool"), "the chart does not know the mark");
    const list = page.locator("details.marks").first();
    await list.locator("summary").click();
    const said = await list.innerText();
    insist(said.includes("rate lowered") && said.includes("by bob"), `the list is incomplete: ${said}`);
    await shoot(`marks${path.replaceAll("/", "_")}`);
  });
}

for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [390, "light"]]) {
  await check(`an incident has the chart of its moment, with what else happened, at ${width} px, ${scheme}`, async () => {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme: scheme });
    const { rows } = await (await fetch(`${BASE_URL}/api/v1/alerts`)).json();
    await open(`/alerts/incidents/${rows.find((row) => row.rule === "put_off").id}`);
    insist((await page.locator(".incident-chart .mark").count()) >= 2, "nothing is marked in the picture");
    const list = page.locator("details.marks").first();
    await list.locator("summary").click();
    insist((await list.innerText()).includes("new pool"), "the list is incomplete");
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    insist(overflow <= 0, `the page is ${overflow} px wider than the window`);
    await shoot(`incident-${width}-${scheme}`);
  });
}
await page.setViewportSize({ width: 1280, height: 800 });
await page.emulateMedia({ colorScheme: "light" });

await check("a mark of one provider is not shown for another", async () => {
  await open("/?range=24h&provider=yahoo");
  const said = await page.locator("details.marks").first().textContent();
  insist(said.includes("new pool") && !said.includes("rate lowered"), `marked is ${said}`);
});

await check("a range is chosen by one click", async () => {
  await open("/");
  await page.getByRole("link", { name: "7d", exact: true }).click();
  await page.waitForURL(/range=7d/);
});

await check("a custom range is given in UTC", async () => {
  await page.locator(".segments details > summary").click();
  await page.getByLabel("From, UTC").fill("2026-01-01T00:00");
  await page.getByLabel("To, UTC").fill("2026-01-02T00:00");
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForURL(/from=2026-01-01T00/);
});

await check("every page stands in the navigation, and is reached by the keyboard", async () => {
  await open("/");
  const hrefs = await page.locator(".top nav a").evaluateAll((links) => links.map((link) => new URL(link.href).pathname));
  const missing = PAGES.filter((path) => !/\/(records|failures|webhooks|rejects)$/.test(path) && !hrefs.includes(path));
  insist(missing.length === 0, `no entry for ${missing}`);
  const wider = await page.locator(".top nav").evaluate((nav) => nav.scrollWidth - nav.clientWidth);
  insist(wider <= 0, `the navigation is ${wider} px too wide`);
  await page.locator(".group > summary", { hasText: "Reputation" }).focus();
  await page.keyboard.press("Enter");
  await page.locator(".group[open] a").first().waitFor();
  await shoot("navigation");
  await page.keyboard.press("Escape");
  insist((await page.locator(".group[open]").count()) === 0, "Escape does not close the group");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/reputation\/blocklists/);
  insist((await page.locator(".group > summary[aria-current]").innerText()).includes("Blocklists"), "the page does not say where one is");
});

await check("a filter is added, kept on the next page, and removed", async () => {
  await open("/?range=30d");
  await page.getByText("+ Filter").click();
  const select = page.locator("select[name='provider']");
  const value = await select.locator("option:nth-child(2)").getAttribute("value");
  await select.selectOption(value);
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL(/provider=/);
  insist(query().get("provider") === value, "the address does not carry the filter");
  insist(!page.url().includes("pool=&"), "the address carries fields that were left alone");
  const pages = page.getByRole("navigation", { name: "Pages" });
  await pages.getByText("Delivery", { exact: true }).click();
  await pages.getByRole("link", { name: "Bounces" }).click();
  await page.waitForURL(/\/bounces/);
  insist(query().get("provider") === value, "the filter is lost on the next page");
  await page.locator(".filters .chips a").first().click();
  await page.waitForURL((url) => !url.searchParams.has("provider"));
});

await check("a definition shows on focus", async () => {
  await open("/?range=30d");
  const term = page.locator(".card .term").first();
  await term.focus();
  insist(await term.locator(".tip").isVisible(), "the definition does not show");
});

await check("the theme is switched and remembered", async () => {
  await page.locator("[data-theme-toggle]").click();
  await page.reload();
  insist((await page.locator("html").getAttribute("data-theme")) === "dark", "the theme is forgotten");
  await page.locator("[data-theme-toggle]").click();
});

await check("the heatmap is walked with the arrow keys", async () => {
  await open("/providers?range=7d");
  const first = page.locator("table.heat td a").first();
  await first.focus();
  const before = await first.getAttribute("href");
  await page.keyboard.press("ArrowRight");
  const after = await page.evaluate(() => document.activeElement.getAttribute("href"));
  insist(after && after !== before, "the focus does not move");
});

await check("a click in a chart leads to the messages of that step", async () => {
  await open("/?range=30d");
  const box = await page.locator("figure[data-chart='trend'] canvas").first().boundingBox();
  const marks = await page.locator("figure[data-chart='trend'] script").textContent().then(JSON.parse);
  // the step with most deliveries is the tallest bar, and surely under the pointer near its foot
  const values = marks.series[0].values;
  const index = values.indexOf(Math.max(...values.filter((value) => value !== null)));
  const [left, right] = [70, 8];
  const x = box.x + left + ((index + 0.5) / values.length) * (box.width - left - right);
  await page.mouse.click(x, box.y + box.height - 50);
  await page.waitForURL(/\/messages\?.*from=/);
  insist(query().get("to") !== null, "the address has no end of the step");
});

await check("a message is opened from the list, with its whole life", async () => {
  await open("/messages?range=30d");
  await page.locator("main table tbody td a").first().click();
  await page.waitForURL(/\/messages\/trace/);
  insist((await page.locator(".timeline > li").count()) > 0, "the timeline is empty");
  await page.locator(".timeline details summary").first().click();
  await shoot("trace");
});

await check("a search without a match says what to change", async () => {
  await open("/messages?q=nobody%40nowhere.example");
  insist((await page.locator("main").innerText()).includes("No event matches"), "no word of it");
});

await check("a bad address says what to change", async () => {
  expectedStatus = 400;
  await open("/?range=2h");
  insist((await page.locator("main").innerText()).includes("choose one of 1h, 6h, 24h, 7d, 30d"), "no word of it");
  expectedStatus = null;
});

await check("an address is put onto the list, explained, and lifted", async () => {
  await open("/suppressions");
  const form = page.locator("form.fields").first();
  await form.getByLabel("Address").fill("browser@list.example");
  await form.getByLabel("Note").fill("by the test");
  await form.getByRole("button", { name: "Add" }).click();
  await page.waitForURL(/done=added/);
  const said = await page.locator("#answer").innerText();
  insist(said.includes("held back") && said.includes("by the test"), "the answer does not explain the entry");
  await page.locator(".chain form").first().getByRole("button", { name: "Lift" }).click();
  await page.waitForURL(/done=lifted/);
  insist((await page.locator("#answer").innerText()).includes("goes out"), "the entry is still there");
});

await check("a file is imported, its faults are told, and all of it is undone", async () => {
  await open("/suppressions");
  const form = page.locator("form[data-import]");
  const rows = Buffer.from("browser-one@list.example\nnobody\n");
  await form.locator("[data-file]").setInputFiles({ name: "old.csv", mimeType: "text/csv", buffer: rows });
  await form.getByLabel("Dry run").uncheck();
  await form.getByRole("button", { name: "Import" }).click();
  await page.waitForURL(/\/suppressions\/runs\//);
  await page.waitForFunction(async () => {
    const answer = await fetch(`/api/v1/suppressions/imports/${location.pathname.split("/").pop()}`);
    return (await answer.json()).state === "done";
  });
  await page.reload();
  insist((await page.locator("main").innerText()).includes("`nobody` is no address"), "the fault is not told");
  await page.getByLabel("Note").fill("by the test");
  await page.getByRole("button", { name: "Undo" }).click();
  await page.waitForURL(/done=undone/);
});

await check("the navigation works without scripts, narrow and wide", async () => {
  const plain = await browser.newPage({ javaScriptEnabled: false });
  await plain.setViewportSize({ width: 390, height: 800 });
  await plain.goto(`${BASE_URL}/alerts`);
  insist(!(await plain.locator(".top nav").isVisible()), "the menu is open before it is asked for");
  await plain.locator(".menu-button").click();
  await plain.getByText("Delivery", { exact: true }).click();
  if (process.env.SHOTS) await plain.screenshot({ path: join(process.env.SHOTS, "menu.png") });
  await plain.getByRole("link", { name: "Deferrals" }).click();
  await plain.waitForURL(/\/deferrals/);
  await plain.setViewportSize({ width: 1280, height: 800 });
  await plain.locator(".group > summary", { hasText: "System" }).click();
  await plain.getByRole("link", { name: "Audit log" }).click();
  await plain.waitForURL(/\/audit/);
  await plain.close();
});

await check("pages can be read without scripts", async () => {
  const plain = await browser.newPage({ javaScriptEnabled: false });
  await plain.goto(`${BASE_URL}/?range=30d`);
  insist(await plain.locator(".chart-table table").first().isVisible(), "no table in place of the chart");
  await plain.close();
});

await browser.close();
console.log(failures === 0 ? "all checks passed" : `${failures} checks failed`);
process.exit(failures === 0 ? 0 : 1);
