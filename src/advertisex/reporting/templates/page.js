// Draw the figures, and sort a table when a column heading is clicked.
"use strict";

const figures = JSON.parse(document.getElementById("figures").textContent);
const places = [...document.querySelectorAll("[data-figure]")];
const options = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

for (const place of places) {
  const { data, layout } = figures[place.dataset.figure];
  Plotly.newPlot(place, data, layout, options);
}

// Printed pages have two figures side by side; a single figure gets the full width.
const PAPER = 450, WHOLE_PAPER = 930;
const isAlone = (place) => place.closest("figure").matches(":last-child:nth-child(odd)");
const onPaper = (place) => ({ width: isAlone(place) ? WHOLE_PAPER : PAPER });
window.addEventListener("beforeprint", () => places.forEach((place) => Plotly.relayout(place, onPaper(place))));
window.addEventListener("afterprint", () => places.forEach((place) => Plotly.relayout(place, { width: null, autosize: true })));

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

for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => sort(button.parentElement));
}
