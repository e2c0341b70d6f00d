// The blind comparison: one round for each vibe that both have a sound of, in a random order.
function startBlindTest(rows, clips, listening) {
  const part = document.getElementById("blind");
  if (!part) return;
  const find = (name) => document.getElementById(`blind-${name}`);
  const steps = [...part.querySelectorAll("[data-step]")];
  const step = (name) => steps.find((one) => one.dataset.step === name);
  const players = [find("first"), find("second")];
  players.forEach(listening.add);
  const vibes = [...document.querySelectorAll("[data-vibe]")].map((panel) => ({
    id: panel.dataset.vibe,
    text: panel.querySelector("h3").textContent,
  }));
  const key = (row, vibe) => `${row}-${vibe.id}`;
  const heard = rows.filter((row) => vibes.some((vibe) => key(row.id, vibe) in clips.files));
  const nameOf = (id) => rows.find((row) => row.id === id).name;
  [find("a"), find("b")].forEach((select, i) => {
    for (const row of heard) select.add(new Option(row.name, row.id));
    select.selectedIndex = Math.min(i, heard.length - 1);
  });

  let rounds = [];
  let round = -1;
  let tally = {};

  part.addEventListener("submit", (event) => {
    event.preventDefault();
    const pair = [find("a").value, find("b").value];
    const common = vibes.filter((vibe) => pair.every((row) => key(row, vibe) in clips.files));
    if (pair[0] === pair[1] || !common.length) {
      find("said").textContent = pair[0] === pair[1]
        ? "Pick two different ones." : "There is no vibe that both have a sound of.";
      return;
    }
    rounds = shuffled(common).map((vibe) => ({ vibe, order: shuffled(pair) }));
    tally = { [pair[0]]: 0, [pair[1]]: 0, none: 0 };
    round = -1;
    next();
  });

  const next = () => {
    listening.stop();
    round += 1;
    find("next").hidden = true;
    find("said").replaceChildren();
    const isOver = round === rounds.length;
    step("pick").hidden = !isOver;
    step("round").hidden = isOver;
    if (isOver) return;
    const { vibe, order } = rounds[round];
    order.forEach((row, i) => listening.load(players[i], key(row, vibe)));
    find("round").textContent = `Round ${round + 1} of ${rounds.length}: ${vibe.text}`;
    for (const button of part.querySelectorAll("[data-choice]")) button.disabled = false;
    find("round").focus();
  };

  for (const button of part.querySelectorAll("[data-choice]")) {
    button.addEventListener("click", () => {
      const { order } = rounds[round];
      const chosen = { first: order[0], second: order[1], none: "none" }[button.dataset.choice];
      tally[chosen] += 1;
      for (const other of part.querySelectorAll("[data-choice]")) other.disabled = true;
      const wins = Object.keys(tally).filter((row) => row !== "none");
      const lines = [
        `First was ${nameOf(order[0])}, second was ${nameOf(order[1])}. `
          + (chosen === "none" ? "You heard no difference." : `You chose ${nameOf(chosen)}.`),
        `So far: ${wins.map((row) => `${nameOf(row)} ${tally[row]}`).join("; ")}; no difference ${tally.none}.`,
      ];
      const isLast = round + 1 === rounds.length;
      if (isLast) lines.push(verdict(...wins.map((row) => tally[row])));
      find("said").replaceChildren(...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
      find("next").textContent = isLast ? "Done" : "Next";
      find("next").hidden = false;
      find("next").focus();
    });
  }
  find("next").addEventListener("click", () => {
    const wasLast = round + 1 === rounds.length;
    const tallied = [...find("said").childNodes].slice(1);
    next();
    if (wasLast) {
      find("said").replaceChildren(...tallied);
      find("a").focus();
    }
  });
}

function shuffled(values) {
  const mixed = [...values];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = crypto.getRandomValues(new Uint32Array(1))[0] % (i + 1);
    [mixed[i], mixed[j]] = [mixed[j], mixed[i]];
  }
  return mixed;
}

// The sign test, two-sided: how often fair coins would be at least as one-sided.
function verdict(one, other) {
  const count = one + other;
  if (!count) return "You never heard a difference.";
  const ways = (k) => Array.from({ length: k }, (_, i) => (count - i) / (i + 1)).reduce((a, b) => a * b, 1);
  let tail = 0;
  for (let k = Math.max(one, other); k <= count; k++) tail += ways(k);
  const share = Math.min(1, 2 * tail / 2 ** count);
  return `Of ${count} coins, at least as many would fall on one side in ${Math.round(100 * share)} % of cases`
    + (share > 0.05 ? ": this says little yet." : ".");
}
