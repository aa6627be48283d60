// Live rows of the first page: the collector's stream of timelines, put into the table that the server
// rendered. All data is inserted as text. Without this script the page works, only not live.
// And of the page of live traffic the part that is fetched anew as the server renders it.

const MOST_ROWS = 200;
const SIGNS = { lost: "✕", hung: "‖", failed: "!", race: "≈", note: "i", clear: "✓", watched: "…" };

const rows = document.getElementById("rows");
const status = document.getElementById("live");
const asked = new URLSearchParams(location.search);
/** Words in the page's language, by the names that the API has. */
const words = JSON.parse(status?.dataset.words ?? "{}");

/** An element with a class and children: elements, or texts. */
function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function textOrDash(text) {
  if (text) return text;
  const dash = element("span", "faint", "–");
  dash.setAttribute("role", "img");
  dash.setAttribute("aria-label", words.unknown);
  return dash;
}

/** Microseconds with three significant digits and their unit, as the server writes them. */
function span(micros) {
  if (micros < 1e3) return `${micros} µs`;
  if (micros < 1e4) return `${(micros / 1e3).toFixed(2)} ms`;
  if (micros < 1e5) return `${(micros / 1e3).toFixed(1)} ms`;
  if (micros < 1e6) return `${Math.floor(micros / 1e3)} ms`;
  if (micros < 1e7) return `${(micros / 1e6).toFixed(2)} s`;
  if (micros < 6e7) return `${(micros / 1e6).toFixed(1)} s`;
  const seconds = Math.floor(micros / 1e6);
  const two = (n) => String(n).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds / 60) % 60)} min`;
}

function badge(timeline) {
  const nothing = timeline.state === "open" ? "watched" : "clear";
  const known = SIGNS[timeline.severity] ? timeline.severity : nothing;
  const sign = element("span", "", SIGNS[known]);
  sign.setAttribute("aria-hidden", "true");
  return element("span", `badge ${known}`, sign, words[known]);
}

function found(timeline) {
  const link = document.createElement("a");
  link.href = `/timelines/${encodeURIComponent(timeline.id)}`;
  if (asked.get("lang")) link.search = new URLSearchParams({ lang: asked.get("lang") });
  const first = timeline.findings && timeline.findings[0];
  if (first) {
    const headline = element("span", "few", first.headline);
    headline.lang = "en";
    const meaning = words[first.code] ? [element("span", "", words[first.code])] : [];
    link.append(element("b", "", first.code), ...meaning, headline);
  } else {
    const nothing = timeline.state === "open" ? words.nothing_so_far : words.nothing_found;
    link.append(element("span", "", nothing));
  }
  return link;
}

function started(text) {
  if (!text) return textOrDash("");
  const time = element("time", "", text.replace("T", " ").replace(/(\.\d{3})\d*Z?$|Z$/, "$1"));
  time.dateTime = text;
  return time;
}

function row(timeline) {
  const request = element("td", "request");
  const path = element("span", "path few", element("b", "", timeline.method || ""), " ");
  path.append(textOrDash(timeline.path));
  request.append(path);
  if (timeline.request_id) request.append(element("small", "few", timeline.request_id));
  const state = words[timeline.state === "open" ? "open" : timeline.reason] || words.closed;
  const made = element(
    "tr",
    SIGNS[timeline.severity] ? timeline.severity : "clear",
    element("td", "severity", badge(timeline)),
    element("td", "what", found(timeline)),
    element("td", "plugin", element("span", "few", textOrDash(timeline.plugin))),
    request,
    element("td", "code", textOrDash(timeline.code == null ? "" : String(timeline.code))),
    element("td", "started", started(timeline.started)),
    element("td", "duration", span(timeline.duration_micros || 0)),
    element("td", "state", state),
  );
  made.dataset.id = timeline.id;
  made.dataset.revision = String(timeline.revision || 0);
  return made;
}

/** Does the filter of this page let a timeline through? */
function fits(timeline) {
  const findings = timeline.findings || [];
  const is = (name, value) => !asked.get(name) || asked.get(name) === value;
  return (
    !asked.get("cursor") &&
    is("plugin", timeline.plugin) &&
    is("request_id", timeline.request_id) &&
    (!asked.get("finding") || findings.some((f) => f.code === asked.get("finding"))) &&
    is("severity", timeline.severity)
  );
}

function show(timeline) {
  const there = [...rows.children].find((r) => r.dataset.id === timeline.id);
  if (!fits(timeline)) {
    if (there && !asked.get("cursor")) there.remove();
    return;
  }
  if (there && Number(there.dataset.revision || 0) > (timeline.revision || 0)) return;
  const made = row(timeline);
  const hadFocus = there && there.contains(document.activeElement);
  if (there) there.replaceWith(made);
  else {
    made.classList.add("new");
    rows.prepend(made);
  }
  if (hadFocus) made.querySelector("a").focus();
  while (rows.children.length > MOST_ROWS) rows.lastElementChild.remove();
  document.getElementById("scroll").classList.remove("hidden");
  document.getElementById("empty")?.remove();
}

/** Changes that are told while the list is read; null: it is not. */
let told = null;
/** More was missed while the list was read: the answer may be older than that. */
let onceMore = false;

/** Puts in place of the rows those that the server has now: what happened meanwhile was not told. */
async function readAgain() {
  if (told) {
    onceMore = true;
    return;
  }
  told = [];
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("rows");
    if (fresh) {
      rows.replaceChildren(...fresh.children);
      document.getElementById("scroll").classList.toggle("hidden", rows.children.length === 0);
      if (rows.children.length > 0) document.getElementById("empty")?.remove();
    }
  } finally {
    const since = told;
    told = null;
    since.forEach(show);
    if (onceMore) {
      onceMore = false;
      await readAgain();
    }
  }
}

function notUnderstood(error) {
  console.warn("what the collector told live was not understood", error);
}

/** `again`: it was listened before, and something may have been missed. */
function listen(again) {
  const source = new EventSource("/api/v1/live");
  source.addEventListener("open", () => {
    status.textContent = words.live;
    status.className = "live on";
    if (again) readAgain().catch(notUnderstood);
  });
  source.addEventListener("error", () => {
    status.textContent = words.reconnecting;
    status.className = "live";
  });
  source.addEventListener("timeline", (event) => {
    try {
      const timeline = JSON.parse(event.data);
      if (told) told.push(timeline);
      else show(timeline);
    } catch (error) {
      notUnderstood(error);
    }
  });
  source.addEventListener("missed", () => readAgain().catch(notUnderstood));
  return source;
}

// A browser has some six connections for all pages of a site: a page that nobody sees keeps none of them.
if (rows && status) {
  let source = listen(false);
  document.addEventListener("visibilitychange", () => {
    source.close();
    if (!document.hidden) source = listen(true);
  });
}

/** Every so many milliseconds. */
const FRESH_EVERY = 2000;

async function freshen(part) {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById(part.id);
    // Who reads in a table by keyboard, or marks a text, is not interrupted.
    const isRead = part.contains(document.activeElement) || !document.getSelection().isCollapsed;
    if (fresh && !isRead) part.replaceChildren(...fresh.childNodes);
  } catch (error) {
    console.warn("the live traffic could not be fetched", error);
  }
}

const fresh = document.getElementById("fresh");
if (fresh) setInterval(() => freshen(fresh), FRESH_EVERY);
