// Uses the page of `talloc map` as somebody with a mouse would, and writes down what it says, a line for each step.
{
  const canvas = $("map"), slider = $("time"), lines = [];
  const note = (step, id) => lines.push(`${step}: ${$(id).textContent.replaceAll("\n", " ")}`);
  // The middle of the piece of a block that lies in one row.
  const over = block => {
    const box = canvas.getBoundingClientRect(), row = span / ROWS, start = block[0] - from;
    const r = Math.floor(start / row), end = Math.min(start + block[1], (r + 1) * row);
    return {
      clientX: box.left + ((start + end) / 2 - r * row) / row * box.width,
      clientY: box.top + (r + 0.5) / ROWS * box.height,
      cancelable: true,
    };
  };
  const slide = value => {
    slider.value = value;
    slider.dispatchEvent(new Event("input"));
  };

  note("opened", "status");
  const block = alive[alive.length >> 1];
  canvas.dispatchEvent(new MouseEvent("mousemove", over(block)));
  note("hover", "tip");
  lines.push(`hovered: ${address(block[0])} ${block[1].toLocaleString()} bytes`);
  canvas.dispatchEvent(new WheelEvent("wheel", { ...over(block), deltaY: -100 }));
  note("zoomed", "status");
  $("reset").click();
  note("reset", "status");
  slide(slider.max);
  note("last", "status");

  const said = document.createElement("pre");
  said.textContent = lines.join("\n");
  document.body.append(said);
}
