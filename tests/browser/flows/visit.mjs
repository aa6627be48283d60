// What every flow shares: Chromium, pages in the ways people have them, and what no page may do.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

export { assert };

/** The whole flow; past it something hangs. */
const LIMIT_MILLIS = 240_000;

const modules = createRequire(join(process.env.BROWSER_MODULES, "package.json"));
const { chromium } = modules("playwright-core");
export const axeSource = modules.resolve("axe-core/axe.min.js");
export const site = process.env.SITE;

/** Ways to look at a page: wide or as a phone, light or dark, with scripts or without, in a language. */
const USUAL = { scripts: true, dark: false, phone: false, language: "en-GB" };
const PHONE = { width: 360, height: 740 };
const DESK = { width: 1280, height: 900 };

/**
 * Walks a flow. `walk` gets `open(path, way)`, which answers a page at a path.
 * Afterwards no page may have said a word in its console, or have asked for anything elsewhere; unless
 * the flow itself tries what is refused.
 */
export async function visit(walk, { mayBeRefused = false } = {}) {
  const limit = setTimeout(() => {
    console.error(`the flow is not through after ${LIMIT_MILLIS / 1000} s`);
    process.exit(1);
  }, LIMIT_MILLIS);
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM });
  const wrong = [];
  const contexts = new Map();

  async function context(way) {
    const key = JSON.stringify(way);
    if (!contexts.has(key)) {
      const made = await browser.newContext({
        javaScriptEnabled: way.scripts,
        colorScheme: way.dark ? "dark" : "light",
        viewport: way.phone ? PHONE : DESK,
        isMobile: way.phone,
        hasTouch: way.phone,
        locale: way.language,
      });
      made.setDefaultTimeout(20_000);
      contexts.set(key, made);
    }
    return contexts.get(key);
  }

  async function open(path = "/", way = {}) {
    const page = await (await context({ ...USUAL, ...way })).newPage();
    const tell = (what) => wrong.push(`${page.url()}: ${what}`);
    // A page of a problem is an answer with a status, which Chromium tells as an error of its own.
    const ofStatus = /^Failed to load resource: the server responded with a status of 40[04]/;
    page.on("console", (said) => ofStatus.test(said.text()) || tell(`console: ${said.text()}`));
    page.on("pageerror", (error) => tell(`error: ${error.message}`));
    page.on("dialog", (dialog) => tell(`dialog: ${dialog.message()}`));
    page.on("request", (request) => {
      const away = !request.url().startsWith(`${site}/`);
      if (away) tell(`asks for ${request.url()}`);
    });
    await page.goto(site + path);
    return page;
  }

  try {
    await walk({ open });
    if (!mayBeRefused) assert.deepEqual(wrong, []);
    console.log("walked");
  } finally {
    await browser.close();
    clearTimeout(limit);
  }
}

/** The path and query that a page is at. */
export function at(page) {
  return page.url().slice(site.length);
}

/** Follows a link or presses a button, and waits for the page that comes. */
export async function follow(page, what) {
  const before = page.url();
  await what.click();
  await page.waitForURL((url) => url.href !== before);
}

/** Sends the next batch that the test laid by. */
const later = JSON.parse(process.env.LATER ?? "[]");
export async function sendLater() {
  const file = later.shift();
  assert.ok(file, "the test has laid no batch by");
  const headers = { "content-type": "application/x-protobuf" };
  const answer = await fetch(`${site}/v1/batches`, {
    method: "POST",
    headers,
    body: await readFile(file),
  });
  assert.equal(answer.status, 200, await answer.text());
}

/** JSON of the API. */
export async function api(path) {
  const answer = await fetch(`${site}/api/v1${path}`);
  assert.equal(answer.status, 200, path);
  return answer.json();
}

/** Something of each kind of page, by path. */
export async function everyKindOfPage() {
  const { timelines } = await api("/timelines?request_id=007f3c-pay");
  const lost = timelines.find((timeline) => timeline.plugin === "body-call");
  const { instances } = await api("/instances");
  const gaps = instances.find((instance) => instance.gaps.length > 0) ?? instances[0];
  return [
    "/",
    "/?severity=lost",
    "/?request_id=nobody-has-it",
    `/timelines/${lost.id}`,
    "/requests/007f3c-pay",
    "/traffic",
    "/plugins",
    "/plugins/body-call",
    "/instances",
    `/instances/${gaps.id}`,
    "/diagnoses",
    "/diagnoses/headers-forwarded-before-body-call",
    "/nothing-is-here",
  ];
}

/** What makes the page wider than its window. */
export async function tooWide(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const sticksOut = (it) => it.getBoundingClientRect().right > width + 1;
    const inScroll = (it) => it.parentElement?.closest(".scroll, pre");
    const all = [...document.body.querySelectorAll("*")].filter((it) => sticksOut(it) && !inScroll(it));
    return [`${document.documentElement.scrollWidth} px`, ...all.slice(0, 5).map((it) => it.outerHTML.slice(0, 160))];
  });
}
