// Buttons that copy a text of the page, or save it as a file.
function startCopying() {
  const said = document.getElementById("said");
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      const done = await copied(source);
      const label = button.firstChild;
      const before = label.textContent;
      label.textContent = done ? "Copied" : "Selected";
      said.textContent = done ? "Copied." : "Selected; copy it with your keyboard.";
      setTimeout(() => { label.textContent = before; }, 1500);
    });
  }
  for (const button of document.querySelectorAll("[data-save]")) {
    button.addEventListener("click", () => {
      const text = document.getElementById(button.dataset.save).textContent;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
      link.download = button.dataset.name;
      link.click();
      URL.revokeObjectURL(link.href);
      said.textContent = `Saved as ${button.dataset.name}.`;
    });
  }
}

// A page from a disk may be refused the clipboard: then the text is selected at least.
async function copied(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(source);
    return false;
  }
}
