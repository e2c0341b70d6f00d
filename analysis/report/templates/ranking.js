// The ranking under any weights. The objective is linear in them, so means and intervals follow from each row's
// moments (analysis/report/moments.py has the formula); the order is that of analysis/ranking.py.
const COMPONENTS = ["format", "schema", "audio"];
const ROWS_AT_FIRST = 30;

function form(matrix, weights) {
  let sum = 0;
  for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) sum += weights[i] * matrix[i][j] * weights[j];
  return Math.max(0, sum);
}

function estimate(moments, weights) {
  const mean = moments.mean.reduce((sum, value, i) => sum + value * weights[i], 0);
  const vibes = form(moments.vibes, weights);
  const spread = Math.max(form(moments.own_seeds, weights), form(moments.pooled_seeds, weights));
  const seeds = Math.max(0, spread - form(moments.rest, weights));
  if (vibes + seeds === 0) return { mean, half: 0 };
  const critical = (moments.t_vibes * vibes + moments.t_seeds * seeds) / (vibes + seeds);
  return { mean, half: critical * Math.sqrt(vibes + seeds) };
}

function rankRows(rows, weights, decimals) {
  const rounded = (value) => Math.round(value * 10 ** decimals);
  return rows
    .map((row) => ({
      row,
      objective: estimate(row.objective, weights),
      difference: row.difference && estimate(row.difference, weights),
    }))
    .sort((a, b) => a.row.infeasible - b.row.infeasible
      || rounded(b.objective.mean) - rounded(a.objective.mean)
      || a.row.tieOrder - b.row.tieOrder);
}

function number(value, signed) {
  const text = Math.abs(value).toFixed(3);
  return (value < 0 ? "-" : signed ? "+" : "") + text;
}

function startRanking(page) {
  const board = document.getElementById("board");
  if (!board) return;
  const sliders = COMPONENTS.map((name) => document.getElementById(`weight-${name}`));
  const total = page.weights.reduce((sum, weight) => sum + weight, 0);
  const own = page.weights.map((weight) => 100 * weight / total);
  // In percent, and finer than the sliders: so two weights keep their ratio while the third one is moved.
  let exact = [...own];
  let isMoved = false;
  let showAll = page.rows.length <= ROWS_AT_FIRST;

  const percents = () => {
    const whole = exact.map(Math.round);
    const largest = whole.indexOf(Math.max(...whole));
    whole[largest] += 100 - whole.reduce((sum, value) => sum + value, 0);
    return whole;
  };
  const weights = () => (isMoved ? percents().map((percent) => percent / 100) : page.weights);

  const show = () => {
    percents().forEach((percent, i) => {
      sliders[i].value = percent;
      sliders[i].setAttribute("aria-valuetext", `${percent} percent`);
      sliders[i].nextElementSibling.textContent = `${percent} %`;
    });
    const ranked = rankRows(page.rows, weights(), page.decimals);
    place(board, ranked, showAll);
    board.classList.toggle("moved", isMoved);
    document.getElementById("weights-back").disabled = !isMoved;
    document.getElementById("moved-note").hidden = !isMoved;
    document.getElementById("weights-command").textContent = `${page.command} --weights ${weights().join(",")}`;
    return ranked;
  };

  let waiting;
  const say = (ranked) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const best = ranked.find((entry) => entry.row.isTrial);
      const shares = percents().map((percent, i) => `${percent} % ${COMPONENTS[i]}`).join(", ");
      document.getElementById("ranking-status").textContent = best
        ? `${isMoved ? `Under ${shares}` : "Under the sweep’s weights"} the highest configuration is `
          + `${best.row.name}, with ${number(best.objective.mean)} ±${number(best.objective.half)}.`
        : "No configuration is ranked.";
    }, 300);
  };

  sliders.forEach((slider, moved) => slider.addEventListener("input", () => {
    const rest = 100 - slider.valueAsNumber;
    const others = [0, 1, 2].filter((i) => i !== moved);
    const sum = others.reduce((part, i) => part + exact[i], 0);
    // Never quite 0, so that their ratio comes back when there is room for them again.
    for (const i of others) exact[i] = sum > 0 ? Math.max(rest, 1e-9) * exact[i] / sum : rest / 2;
    exact[moved] = slider.valueAsNumber;
    isMoved = true;
    say(show());
  }));
  document.getElementById("weights-back").addEventListener("click", () => {
    exact = [...own];
    isMoved = false;
    say(show());
    sliders[0].focus();
  });

  const more = document.getElementById("board-more");
  more.hidden = showAll;
  more.textContent = `Show all ${page.rows.length} rows`;
  more.addEventListener("click", () => {
    showAll = true;
    more.hidden = true;
    show();
  });
  show();
}

// Put the rows of the table in order, with the numbers that hold now.
function place(board, ranked, showAll) {
  const body = board.tBodies[0];
  const rows = ranked.map((entry) => document.getElementById(entry.row.id));
  const before = rows.map((row) => row.getBoundingClientRect().top);
  const low = Math.min(...ranked.map(({ objective }) => objective.mean - objective.half));
  const high = Math.max(...ranked.map(({ objective }) => objective.mean + objective.half));
  const at = (value) => `${100 * (high > low ? (value - low) / (high - low) : 0.5)}%`;
  ranked.forEach(({ objective, difference }, i) => {
    const row = rows[i];
    const write = (field, text) => { row.querySelector(`[data-field=${field}]`).textContent = text; };
    write("rank", i + 1);
    write("objective", `${number(objective.mean)} ±${number(objective.half)}`);
    write("difference", difference ? `${number(difference.mean, true)} ±${number(difference.half)}` : "–");
    const interval = row.querySelector(".interval");
    interval.style.setProperty("--low", at(objective.mean - objective.half));
    interval.style.setProperty("--mean", at(objective.mean));
    interval.style.setProperty("--high", at(objective.mean + objective.half));
    row.hidden = !showAll && i >= ROWS_AT_FIRST;
  });
  if (rows.every((row, i) => body.rows[i] === row)) return;
  body.append(...rows);
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  rows.forEach((row, i) => {
    const moved = before[i] - row.getBoundingClientRect().top;
    if (moved) row.animate([{ transform: `translateY(${moved}px)` }, { transform: "none" }], { duration: 250, easing: "ease-out" });
  });
}
