// Players that take turns, so that two sounds can be compared at the same moment of the music.
function startListening(clips) {
  const keepPlace = document.getElementById("keep-place");
  const players = new Set();
  let last = null;

  const load = (player, key) => {
    player.src = `data:${clips.type};base64,${clips.files[key]}`;
    player.preload = "metadata";
  };
  const add = (player) => {
    players.add(player);
    player.addEventListener("play", () => {
      for (const other of players) if (other !== player) other.pause();
      const goesOn = keepPlace?.checked && last && last !== player && !last.ended;
      if (goesOn) player.currentTime = last.currentTime;
      last = player;
    });
  };
  // Another vibe, or another pair: what played before has no moment in common with it.
  const stop = () => {
    for (const player of players) player.pause();
    last = null;
  };

  document.querySelectorAll("audio[data-clip]").forEach(add);
  const panels = [...document.querySelectorAll("[data-vibe]")];
  const choices = [...document.querySelectorAll("input[name=vibe]")];
  const show = () => {
    const chosen = choices.find((choice) => choice.checked)?.value;
    stop();
    for (const panel of panels) {
      panel.hidden = panel.dataset.vibe !== chosen;
      if (panel.hidden) continue;
      for (const player of panel.querySelectorAll("audio[data-clip]")) {
        if (!player.src) load(player, player.dataset.clip);
      }
    }
  };
  for (const choice of choices) choice.addEventListener("change", show);
  if (panels.length) show();
  return { add, load, stop };
}
