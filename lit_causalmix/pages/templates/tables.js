// Tables sort by a click on a title and are copied as tab-separated text. Without it they are read
// as they stand.
for (const box of document.querySelectorAll(".table")) {
  const table = box.querySelector("table"), body = table.tBodies[0];
  const titles = [...table.tHead.rows[0].cells];

  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "copy";
  copy.textContent = "Copy table";
  copy.addEventListener("click", async () => {
    const lines = [...table.rows].map((row) =>
      [...row.cells].map((cell) => cell.textContent.replace(/\s+/g, " ").trim()).join("\t"));
    try {
      await navigator.clipboard.writeText(lines.join("\n") + "\n");
      copy.textContent = "Copied";
    } catch { // not allowed here: the table is selected, for the keyboard
      getSelection().selectAllChildren(table);
      copy.textContent = "Selected: copy with the keyboard";
    }
    setTimeout(() => { copy.textContent = "Copy table"; }, 2000);
  });
  box.prepend(copy);

  if (body.rows.length < 3) continue;
  const text = (row, column) => row.cells[column].textContent.trim();
  const number = (row, column) => {
    const found = text(row, column).replace(/\u2212/g, "-").replace(/,(?=\d{3})/g, "")
      .match(/[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i);
    return found ? Number(found[0]) : NaN;
  };
  titles.forEach((title, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...title.childNodes);
    if (!button.textContent.trim()) button.ariaLabel = "name";
    title.append(button);
    button.addEventListener("click", () => {
      const down = title.ariaSort === "ascending";
      for (const other of titles) other.ariaSort = null;
      title.ariaSort = down ? "descending" : "ascending";
      const rows = [...body.rows], sign = down ? -1 : 1;
      const numeric = title.classList.contains("number");
      rows.sort((a, b) => {
        if (!numeric) {
          return sign * text(a, column).localeCompare(text(b, column), "en", { numeric: true });
        }
        const x = number(a, column), y = number(b, column);
        if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y); // what has no value comes last
        return sign * (x - y);
      });
      body.append(...rows);
    });
  });
}
