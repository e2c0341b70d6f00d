// The theme: the system's, or the reader's choice. Print is always light.
function startTheme(paint) {
  const select = document.getElementById("theme");
  const root = document.documentElement;
  const show = (theme) => {
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    paint();
  };
  try {
    select.value = localStorage.getItem("vibesweep-theme") || "system";
  } catch { /* a file opened from a disk may have no storage */ }
  select.addEventListener("change", () => {
    try {
      localStorage.setItem("vibesweep-theme", select.value);
    } catch { /* the choice then lasts as long as the page */ }
    show(select.value);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  addEventListener("beforeprint", () => show("light"));
  addEventListener("afterprint", () => show(select.value));
  show(select.value);
}

// A custom property as the color that it stands for now; light-dark() is resolved only in a real property.
function colorOf(name) {
  const probe = document.body.appendChild(document.createElement("span"));
  probe.style.color = `var(${name})`;
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}
