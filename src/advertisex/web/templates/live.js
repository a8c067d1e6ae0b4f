// Keep a page up to date: fetch it again, and replace its content if that has changed.
"use strict";

const EVERY = 5_000, LONGEST_WAIT = 60_000, LONGEST_FETCH = 120_000; // milliseconds
const SHARE = 10; // a page that takes long is fetched less often: at most this part of the time
const REPLACED = ["header", "main"];
const live = document.getElementById("live");
const lost = document.getElementById("lost");
const pause = document.getElementById("pause");
const textOf = (page) => REPLACED.map((name) => page.querySelector(name).innerHTML).join("");
let shown = textOf(document);
let timer, isPaused = false, latest = 0;

const all = (selector) => [...document.querySelectorAll(REPLACED.map((name) => `${name} ${selector}`).join())];
const clock = () => `${new Date().toISOString().slice(11, 19)} UTC`;

// What the reader has opened, scrolled, chosen and focused, and how to do so again.
function remembered() {
  const open = all("details").map((part) => part.open);
  const scrolled = all(".scrolled").map(({ scrollLeft, scrollTop }) => [scrollLeft, scrollTop]);
  const chosen = all("figcaption select").map((select) => select.selectedIndex);
  const focused = all("a, button, select, summary, [tabindex]").indexOf(document.activeElement);
  return () => {
    all("details").forEach((part, place) => { part.open = open[place] ?? part.open; });
    all(".scrolled").forEach((box, place) => box.scrollTo(...(scrolled[place] ?? [0, 0])));
    all("figcaption select").forEach((select, place) => {
      if (!chosen[place] || chosen[place] >= select.options.length) return;
      select.selectedIndex = chosen[place];
      if (isDrawn) choose(select);
    });
    if (focused >= 0) all("a, button, select, summary, [tabindex]")[focused]?.focus({ preventScroll: true });
  };
}

function show(page) {
  const again = remembered();
  if (isDrawn) places.forEach((place) => Plotly.purge(place));
  for (const name of REPLACED) document.querySelector(name).replaceWith(page.querySelector(name));
  document.getElementById("figures").textContent = page.getElementById("figures").textContent;
  setUp();
  again();
}

function say(problem) {
  lost.hidden = !problem;
  lost.textContent = problem;
}

// Fetch an address and show it; whether that has worked.
async function fetched(address) {
  const mine = ++latest; // an earlier one that comes later is not shown
  try {
    const response = await fetch(address, { cache: "no-cache", signal: AbortSignal.timeout(LONGEST_FETCH) });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (mine !== latest) return true;
    const [needed, loaded] = [page, document].map((one) => one.querySelector("script[src*=plotly]"));
    if (response.redirected || response.status === 401 || (needed && !loaded)) {
      location.reload(); // the session has ended, or the first figure has come
      return true;
    }
    if (!response.ok || !page.getElementById("figures")) throw new Error(`it responds with status ${response.status}`);
    const text = textOf(page);
    if (text !== shown) show(page);
    shown = text;
    live.textContent = `Updated ${clock()}`;
    say("");
    return true;
  } catch ({ name, message }) {
    if (mine !== latest) return true;
    const reason = name === "Error" ? message : "the server does not respond";
    if (lost.hidden) say(`Not updated since ${clock()}: ${reason}. Trying again.`);
    return false;
  }
}

async function update() {
  clearTimeout(timer);
  const began = performance.now();
  // Rows that were sorted here would lose their order.
  if (!document.querySelector("th[aria-sort] button")) await fetched(location.href);
  const wait = Math.min(LONGEST_WAIT, Math.max(EVERY, SHARE * (performance.now() - began)));
  clearTimeout(timer);
  if (!isPaused && !document.hidden) timer = setTimeout(update, wait);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!isPaused && !document.hidden) update();
});

// A heading sorts in place; the address names the order.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("th a");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (!(await fetched(link.href))) location.assign(link.href);
  else history.pushState(null, "", link.href);
});
window.addEventListener("popstate", () => fetched(location.href));

if (pause) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Resume updates" : "Pause updates";
    latest += 1;
    if (isPaused) clearTimeout(timer);
    else update();
  });
  timer = setTimeout(update, EVERY);
}
