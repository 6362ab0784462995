// Draws a trend again with uPlot, so that each point can be read off; without script the server's picture stands.
"use strict";

const INK = "#33463f";
const FLAGS = { high: "#a11716", low: "#1b469a", outside: "#7a4f00" };
const BAND = "#d8e6df";
const ZONE = "Europe/Oslo";
const DAY = 86400;

// Each sample's own reference range, from half way to the one before to half way to the one after.
function drawBands(plot, data) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = BAND;
  const floor = bbox.top + bbox.height;
  const last = data.times.length - 1;
  const half = (i) => Math.round(plot.valToPos((data.times[i] + data.times[i + 1]) / 2, "x", true));
  for (let i = 0, first = 0; i <= last; i++) {
    // Points that share a range are one band, without seams.
    if (i < last && data.low[i] === data.low[i + 1] && data.high[i] === data.high[i + 1]) continue;
    const start = first === 0 ? bbox.left : half(first - 1);
    const end = i === last ? bbox.left + bbox.width : half(i);
    const top = data.high[i] === null ? bbox.top : Math.max(plot.valToPos(data.high[i], "y", true), bbox.top);
    const bottom = data.low[i] === null ? floor : Math.min(plot.valToPos(data.low[i], "y", true), floor);
    const known = data.low[i] !== null || data.high[i] !== null;
    if (known && bottom > top) ctx.fillRect(start, top, end - start, bottom - top);
    first = i + 1;
  }
  ctx.restore();
}

// A flag is a shape as well as a colour, as in the table: up, down, or across.
function outline(ctx, x, y, size, flag) {
  const corners = { high: [[0, -1.35], [1.25, 0.8], [-1.25, 0.8]], low: [[0, 1.35], [1.25, -0.8], [-1.25, -0.8]], outside: [[0, -1.35], [1.35, 0], [0, 1.35], [-1.35, 0]] }[flag];
  if (!corners) {
    ctx.arc(x, y, size, 0, 2 * Math.PI);
    return;
  }
  corners.forEach(([dx, dy], i) => ctx[i ? "lineTo" : "moveTo"](x + dx * size, y + dy * size));
  ctx.closePath();
}

function drawPoints(plot, data) {
  const { ctx } = plot;
  const size = 5 * devicePixelRatio;
  ctx.save();
  ctx.lineWidth = 2 * devicePixelRatio;
  data.times.forEach((time, i) => {
    const open = data.open[i] !== null;
    const x = plot.valToPos(time, "x", true);
    const y = plot.valToPos(open ? data.open[i] : data.closed[i], "y", true);
    ctx.beginPath();
    outline(ctx, x, y, size, open ? "" : data.flags[i]);
    ctx.fillStyle = open ? "#fff" : FLAGS[data.flags[i]] || INK;
    ctx.strokeStyle = open ? INK : "#fff";
    ctx.fill();
    ctx.stroke();
  });
  ctx.restore();
}

// The whole range is in the picture, as in the server's drawing.
function scale(data) {
  const values = data.times.map((_, i) => (data.open[i] !== null ? data.open[i] : data.closed[i]));
  const all = [...values, ...data.low, ...data.high].filter((value) => value !== null);
  const low = Math.min(...all);
  const high = Math.max(...all);
  const room = (high - low || Math.abs(high) || 1) * 0.08;
  return [low >= 0 ? Math.max(low - room, 0) : low - room, high + room];
}

// No less than a day, and a little room: minutes drawn as wide as years look like a development.
function width(from, to) {
  const middle = (from + to) / 2;
  const half = (Math.max(to - from, DAY) / 2) * 1.04;
  return [middle - half, middle + half];
}

// What an axis says of a time: its hour where it tells hours, its day where it tells days, else its month.
function timed(locale) {
  const as = (parts) => new Intl.DateTimeFormat(locale, { timeZone: ZONE, ...parts });
  const hour = as({ hour: "2-digit", minute: "2-digit" });
  const day = as({ day: "numeric", month: "short" });
  const month = as({ month: "short", year: "2-digit" });
  return (apart, time) => (apart < DAY ? `${hour.format(time)}\n${day.format(time)}` : (apart < 28 * DAY ? day : month).format(time));
}

function draw(figure) {
  const data = JSON.parse(figure.dataset.trend);
  if (data.times.length < 2) return;
  const holder = document.createElement("div");
  holder.className = "plot";
  const tip = document.createElement("div");
  tip.className = "tip";
  const number = new Intl.NumberFormat(data.locale, { maximumFractionDigits: 6, useGrouping: false });
  const at = timed(data.locale);
  const picture = figure.querySelector("svg");
  const box = picture.getBoundingClientRect();
  const [low, high] = scale(data);
  const axis = { stroke: "#50605a", font: "13px system-ui, sans-serif", grid: { stroke: "#d9deda", width: 1 }, ticks: { show: false } };
  const plot = new uPlot(
    {
      width: box.width,
      height: Math.max(box.height, 260),
      tzDate: (time) => uPlot.tzDate(new Date(time * 1000), ZONE),
      legend: { show: false },
      cursor: { points: { show: false }, y: false, drag: { x: false, y: false } },
      scales: { x: { time: true, range: (_, from, to) => width(from, to) }, y: { range: [low, high] } },
      axes: [
        { ...axis, grid: { show: false }, space: 64, size: 48, values: (_, ticks, __, ___, apart) => ticks.map((tick) => at(apart, tick * 1000)) },
        { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => number.format(tick)) },
      ],
      series: [
        {},
        { stroke: INK, width: 2, spanGaps: false, points: { show: false } },
        { stroke: "transparent", width: 0, points: { show: false } },
      ],
      hooks: {
        drawClear: [(it) => drawBands(it, data)],
        draw: [(it) => drawPoints(it, data)],
        setCursor: [(it) => { tip.textContent = it.cursor.idx === null || it.cursor.idx === undefined ? "" : data.labels[it.cursor.idx]; }],
      },
    },
    [data.times, data.closed, data.open],
    holder,
  );
  // The picture stays for those who listen; the drawing beside it is only for the eye.
  holder.setAttribute("aria-hidden", "true");
  picture.classList.add("sr");
  holder.append(tip);
  figure.prepend(holder);
  new ResizeObserver(() => plot.setSize({ width: figure.clientWidth, height: plot.height })).observe(figure);
}

for (const figure of document.querySelectorAll("[data-trend]")) draw(figure);
