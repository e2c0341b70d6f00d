// The plots, in the page's colors.
function startCharts(figures) {
  const places = [...document.querySelectorAll("[data-chart]")];
  const narrow = matchMedia("(max-width: 640px)");

  const look = () => {
    const ink = colorOf("--ink-soft");
    const line = colorOf("--line");
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true, ticks: "outside", ticklen: 5, tickcolor: "rgba(0,0,0,0)" };
    return {
      font: { family: "system-ui, sans-serif", size: narrow.matches ? 11 : 13, color: ink },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      // Okabe and Ito's colors, which no kind of color blindness confuses.
      colorway: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"],
      margin: { l: 12, r: 12, t: 14, b: 40 },
      xaxis: axis,
      yaxis: axis,
      // Below everything else: beside it, a phone would have no room for the plot.
      legend: { orientation: "h", x: 0, xanchor: "left", yref: "container", y: 0, yanchor: "bottom" },
      ternary: { bgcolor: "rgba(0,0,0,0)", aaxis: axis, baxis: axis, caxis: axis },
      annotationdefaults: { font: { color: ink } },
      hoverlabel: { bgcolor: colorOf("--card"), bordercolor: line, font: { color: colorOf("--ink") } },
    };
  };

  const paint = () => {
    const template = { layout: look() };
    for (const place of places) {
      const { data, layout } = figures[place.dataset.chart];
      // Plotly writes into what it is given.
      const { height, ...drawn } = { ...structuredClone(layout), template, autosize: true };
      if (height) place.style.height = `${height}px`;
      if (data.some((trace) => trace.type === "scatterternary")) {
        // A triangle's labels take no room by themselves: the legend would lie on them.
        const side = narrow.matches ? 44 : 60;
        const rows = narrow.matches ? data.length : Math.ceil(data.length / 2);
        drawn.margin = { l: side, r: side, t: 56, b: 60 + 34 * rows };
        const triangle = Math.min(380, 0.87 * (place.clientWidth - 2 * side));
        place.style.height = `${Math.round(triangle) + drawn.margin.t + drawn.margin.b}px`;
      }
      Plotly.react(place, structuredClone(data), drawn, {
        displayModeBar: false,
        responsive: true,
      });
    }
  };
  narrow.addEventListener("change", paint);
  return { paint };
}
