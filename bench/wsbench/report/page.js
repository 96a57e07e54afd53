// What a chart can do beyond being looked at: arms are ticked off, and a slider (or the pointer) reads all of them at
// one place. The drawings are whole without this; it only reads what they carry in data-stops and data-at.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const hidden = new Set();
  const charts = [];

  const make = (name, attributes, parent) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.append(element);
    return element;
  };
  const add = (name, parent, words = "") => {
    const element = document.createElement(name);
    element.textContent = words;
    parent.append(element);
    return element;
  };

  const toggle = (arm, shown) => {
    hidden[shown ? "delete" : "add"](arm);
    for (const element of document.querySelectorAll("[data-arm]")) {
      if (element.dataset.arm !== arm) continue;
      if (element instanceof SVGElement) element.classList.toggle("off", !shown);
      else {
        element.classList.toggle("unticked", !shown);
        element.querySelector("input").checked = shown;
      }
    }
    for (const chart of charts) chart.show();
  };

  for (const item of document.querySelectorAll(".legend li[data-arm]")) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => toggle(item.dataset.arm, box.checked));
    label.append(box, ...item.childNodes);
    item.append(label);
  }

  // "120.5 44.1 2.09 ms": where a line is at a stop, and the words for it; nothing where it has no point there.
  const read = (text) => {
    const [x, y, ...words] = text.split(" ");
    return text ? { x: Number(x), y: Number(y), words: words.join(" ") } : null;
  };

  const enhance = (figure, drawing) => {
    const stops = drawing.dataset.stops.split("|");
    const [top, bottom] = drawing.dataset.span.split("|");
    const lines = [...drawing.querySelectorAll(".line[data-at]")].map((line) => ({
      arm: line.dataset.arm,
      colour: [...line.classList].find((name) => /^c\d$/.test(name)),
      at: line.dataset.at.split("|").map(read),
    }));
    const place = (stop) => Math.max(...lines.map((line) => (line.at[stop] ? line.at[stop].x : -Infinity)));
    const places = stops.map((_, stop) => place(stop));
    const marks = make("g", { class: "marks", "aria-hidden": "true", "pointer-events": "none" }, drawing);

    const box = add("div", figure);
    box.className = "read";
    figure.insertBefore(box, figure.querySelector(".behind"));
    const label = add("label", box);
    const words = add("span", label);
    const slider = add("input", label);
    slider.type = "range";
    slider.min = 0;
    slider.max = stops.length - 1;
    slider.step = 1;
    slider.setAttribute("aria-label", `Read at: ${drawing.getAttribute("aria-label")}`);
    const list = add("dl", box);
    const start = stops.indexOf(figure.dataset.start);
    slider.value = start < 0 ? Math.floor((stops.length - 1) / 2) : start;

    const show = () => {
      const stop = Number(slider.value);
      marks.replaceChildren();
      list.replaceChildren();
      make("line", { class: "cursor", x1: places[stop], x2: places[stop], y1: top, y2: bottom }, marks);
      const said = [];
      for (const line of lines) {
        if (hidden.has(line.arm)) continue;
        const there = line.at[stop];
        const entry = add("div", list);
        const swatch = document.querySelector(`.legend li[data-arm="${CSS.escape(line.arm)}"] svg`);
        if (swatch) entry.append(swatch.cloneNode(true));
        add("dt", entry, line.arm);
        add("dd", entry, there ? there.words : "-");
        said.push(`${line.arm} ${there ? there.words : "has none"}`);
        if (there) make("circle", { class: `spot ${line.colour}`, cx: there.x, cy: there.y, r: 4 }, marks);
      }
      words.textContent = `At ${stops[stop]}:`;
      slider.setAttribute("aria-valuetext", `${stops[stop]}: ${said.join(", ") || "all arms are ticked off"}`);
    };
    slider.addEventListener("input", show);
    drawing.addEventListener("pointermove", (event) => {
      const x = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse()).x;
      let nearest = 0;
      places.forEach((at, stop) => {
        if (Math.abs(at - x) < Math.abs(places[nearest] - x)) nearest = stop;
      });
      if (Number(slider.value) !== nearest) {
        slider.value = nearest;
        show();
      }
    });
    charts.push({ show });
    show();
  };

  for (const figure of document.querySelectorAll("figure.chart-of")) {
    const drawing = figure.querySelector("svg[data-stops]");
    if (drawing) enhance(figure, drawing);
  }
})();
