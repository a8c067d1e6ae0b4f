// Draw the figures, sort tables, show where a table continues, and fit the page to paper.
"use strict";

let figures, places, boxes;
const dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom"; // a finger scrolls the page

// The policy of a site forbids inline styles: those of the mode bar, and those that Plotly sets as attributes.
const isStrict = document.querySelector(".no-inline-styles") !== null;
const modeBarButtonsToRemove = ["lasso2d", "select2d", "autoScale2d"];
const options = { displaylogo: false, displayModeBar: isStrict ? false : "hover", modeBarButtonsToRemove };
const { setAttribute } = Element.prototype;
Element.prototype.setAttribute = function (name, value) {
  if (name === "style" && isStrict) this.style.cssText = value;
  else setAttribute.call(this, name, value);
};

// Always anew: Plotly misplaces the legend when it resizes a figure.
function draw(place, width) {
  const { data, layout } = figures[place.dataset.figure];
  Plotly.newPlot(place, data, { ...layout, dragmode, width }, options);
}

// A place with several figures shows the chosen one.
function choose(select) {
  const figure = select.closest("figure");
  const place = figure.querySelector("[data-figure]");
  const note = figure.querySelector("small");
  place.dataset.figure = select.value;
  note.textContent = `(${figures[select.value].note})`;
  note.hidden = !figures[select.value].note;
  draw(place);
}

// Draw each figure at the width of its place, whenever that changes.
const widths = new Map();
let isOnPaper = false;
const drawnSizes = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    if (isOnPaper || widths.get(target) === contentRect.width) continue;
    widths.set(target, contentRect.width);
    draw(target);
  }
});

const isDrawn = typeof Plotly !== "undefined";

const keyOf = (cell) => cell.dataset.key ?? cell.textContent;

function compare(one, other, isNumber) {
  return isNumber ? Number(keyOf(one)) - Number(keyOf(other)) : keyOf(one).localeCompare(keyOf(other));
}

function sort(heading) {
  const place = heading.cellIndex;
  const isNumber = heading.classList.contains("number");
  const order = heading.getAttribute("aria-sort") === (isNumber ? "descending" : "ascending") ? !isNumber : isNumber;
  const falling = order ? -1 : 1;
  const body = heading.closest("table").tBodies[0];
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [one.cells[place], other.cells[place]];
    const [none, alsoNone] = [a, b].map((cell) => "none" in cell.dataset);
    return none || alsoNone ? none - alsoNone : falling * compare(a, b, isNumber);
  });
  body.append(...rows);
  for (const each of heading.parentElement.cells) each.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", order ? "descending" : "ascending");
}

// A shadow at each edge of a table beyond which there is more of it.
function showEdges(box) {
  const { classList } = box.closest(".table");
  classList.toggle("wider", box.scrollWidth > box.clientWidth + 1);
  classList.toggle("more-left", box.scrollLeft > 1);
  classList.toggle("more-right", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  classList.toggle("more-below", box.scrollTop + box.clientHeight < box.scrollHeight - 1);
}

const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => showEdges(target)));

// Printed pages have two figures side by side; a single figure gets the full width.
const PAPER = 450, WHOLE_PAPER = 930;
const isAlone = (place) => place.closest("figure").matches(":last-child:nth-child(odd)");

// A table that is wider than paper is printed in parts, each with the columns that identify the rows.
function* partsOf(table) {
  const widths = [...table.tHead.rows[0].cells].map((cell) => cell.offsetWidth);
  if (widths.reduce((sum, width) => sum + width, 0) <= WHOLE_PAPER) return;
  const keys = [...Array(Math.min(Number(table.dataset.keys), widths.length)).keys()];
  const keysWidth = keys.reduce((sum, place) => sum + widths[place], 0);
  let part = [...keys], width = keysWidth;
  for (let place = keys.length; place < widths.length; place += 1) {
    if (part.length > keys.length && width + widths[place] > WHOLE_PAPER) {
      yield part;
      [part, width] = [[...keys], keysWidth];
    }
    part.push(place);
    width += widths[place];
  }
  yield part;
}

function partOf(table, columns) {
  const part = table.cloneNode(false);
  part.append(table.tHead.cloneNode(false), table.tBodies[0].cloneNode(false));
  for (const row of table.rows) {
    const copy = row.cloneNode(false);
    copy.append(...columns.map((place) => row.cells[place]?.cloneNode(true)).filter(Boolean));
    (row.parentElement === table.tHead ? part.tHead : part.tBodies[0]).append(copy);
  }
  return part;
}

function toPaper() {
  isOnPaper = true;
  for (const place of isDrawn ? places : []) draw(place, isAlone(place) ? WHOLE_PAPER : PAPER);
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    details.dataset.folded = "";
  }
  for (const table of document.querySelectorAll(".scrolled > table:only-child")) {
    const parts = [...partsOf(table)];
    table.after(...parts.map((columns) => partOf(table, columns)));
  }
}

function fromPaper() {
  for (const place of isDrawn ? places : []) draw(place);
  for (const details of document.querySelectorAll("details[data-folded]")) {
    details.open = false;
    delete details.dataset.folded;
  }
  for (const part of document.querySelectorAll(".scrolled > table ~ table")) part.remove();
  isOnPaper = false;
}

window.addEventListener("beforeprint", toPaper);
window.addEventListener("afterprint", fromPaper);

// Bring the content of the page to life; again after a site has replaced it.
function setUp() {
  figures = JSON.parse(document.getElementById("figures").textContent);
  places = [...document.querySelectorAll("[data-figure]")];
  boxes = [...document.querySelectorAll(".scrolled")];
  for (const observer of [drawnSizes, sizes]) observer.disconnect();
  for (const part of document.querySelectorAll("[data-least]")) {
    part.style.setProperty("--least", `${part.dataset.least}px`);
  }
  for (const place of places) place.style.height = `${place.dataset.height}px`;
  if (isDrawn) {
    for (const place of places) drawnSizes.observe(place);
    for (const select of document.querySelectorAll("figcaption select")) {
      select.value = select.closest("figure").querySelector("[data-figure]").dataset.figure;
      select.addEventListener("change", () => choose(select));
    }
  } else if (places.length) {
    document.getElementById("absent").hidden = false;
    for (const part of document.querySelectorAll(".figures")) part.remove();
  }
  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => sort(button.parentElement));
  }
  for (const box of boxes) {
    box.addEventListener("scroll", () => showEdges(box), { passive: true });
    sizes.observe(box);
  }
}

setUp();
