// Save a drawing as a file, made in the browser.

const SHARPNESS = 2; // pixels of the PNG for one of the screen

/** Write a drawing as a document of its own. */
export function asText(drawing) {
  const copy = drawing.cloneNode(true);
  copy.removeAttribute("aria-hidden");
  return new XMLSerializer().serializeToString(copy);
}

export function saveSvg(drawing, name) {
  saveBlob(new Blob([asText(drawing)], { type: "image/svg+xml" }), `${name}.svg`);
}

export async function savePng(drawing, name) {
  const address = URL.createObjectURL(new Blob([asText(drawing)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = drawing.getAttribute("width") * SHARPNESS;
    canvas.height = drawing.getAttribute("height") * SHARPNESS;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    saveBlob(blob, `${name}.png`);
  } finally {
    URL.revokeObjectURL(address);
  }
}

function saveBlob(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
