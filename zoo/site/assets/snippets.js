// What to type for a model: pure functions from its record to text.

const IMAGE_TASKS = ["classification", "quantized-classification"];

/** Ways to use a set of weights, each with a title and its text. */
export function snippets(model, weights, spec) {
  const found = [
    { title: "zoo", text: commandLine(model, weights, spec) },
    { title: "Python", text: python(model, weights, spec) },
  ];
  if (model.source === "torchvision") found.push({ title: "torch.hub", text: torchvisionHub(model, weights) });
  if (model.source === "zoo") found.push({ title: "torch.hub", text: ownHub(model, weights) });
  if (model.source === "torchvision") found.push({ title: "torchvision", text: torchvision(model, weights) });
  const timmName = timm(model, weights);
  if (timmName) found.push({ title: "timm", text: timmName });
  if (repositoryOf(weights)) found.push({ title: "Hugging Face", text: hub(weights) });
  const published = (weights?.files ?? []).filter((file) => file.url);
  if (published.length > 0) found.push({ title: "curl", text: published.map(curl).join("\n") });
  return found;
}

function commandLine(model, weights, spec) {
  const lines = [];
  if (weights) lines.push(`zoo download ${spec}`);
  if (weights && IMAGE_TASKS.includes(model.task)) lines.push(`zoo predict ${spec} image.jpg`);
  lines.push(`zoo inspect ${spec}`);
  return lines.join("\n");
}

function python(model, weights, spec) {
  if (!weights) return `import zoo\n\nmodel = zoo.load_model("${spec}", weights=None)`;
  const lines = ["import torch", "import zoo", "", `model = zoo.load_model("${spec}")`];
  if (IMAGE_TASKS.includes(model.task)) {
    lines.splice(0, 0, "from PIL import Image");
    lines.push(
      `prepare = zoo.transform("${spec}")`,
      'image = prepare(Image.open("image.jpg"))[None]',
      "with torch.inference_mode():",
      "    print(model(image).softmax(1).topk(5))",
    );
  }
  return lines.join("\n");
}

const quoted = (weights) => (weights ? `"${weights.tag.toUpperCase()}"` : "None");

function torchvisionHub(model, weights) {
  return `import torch\n\nmodel = torch.hub.load("pytorch/vision", "${model.name}", weights=${quoted(weights)}).eval()`;
}

function ownHub(model, weights) {
  const trained = weights ? `, weights="${weights.tag}"` : "";
  return `import torch\n\n# in a checkout of zoo\nmodel = torch.hub.load(".", "${model.name}", source="local"${trained}).eval()`;
}

function torchvision(model, weights) {
  return `from torchvision.models import get_model\n\nmodel = get_model("${model.name}", weights=${quoted(weights)}).eval()`;
}

const repositoryOf = (weights) => weights?.files?.[0]?.hub?.repository ?? "";

function timm(model, weights) {
  const repository = repositoryOf(weights);
  const bare = model.name.replace(/^timm\//, "");
  const name = model.source === "timm" && weights ? `${bare}.${weights.tag}` : repository.replace(/^timm\//, "");
  if (model.source !== "timm" && !repository.startsWith("timm/")) return null;
  const trained = weights ? ", pretrained=True" : "";
  return `import timm\n\nmodel = timm.create_model("${weights ? name : bare}"${trained}).eval()`;
}

function hub(weights) {
  const lines = weights.files.map(({ hub: place }) => {
    const revision = place.revision ? ` --revision ${place.revision}` : "";
    return `hf download ${place.repository} ${place.path}${revision}`;
  });
  return lines.join("\n");
}

/** Fetch a file and hold it against what is known of it. */
function curl(file) {
  const lines = [`curl -fL -o ${file.file_name} ${file.url}`];
  if (file.sha256) lines.push(`echo "${file.sha256}  ${file.file_name}" | sha256sum --check`);
  else if (file.sha256_prefix) {
    lines.push(`sha256sum ${file.file_name} | grep "^${file.sha256_prefix}"  # the publisher states the first digits`);
  }
  return lines.join("\n");
}

const ONLY_TIMM = ["border", "keep-ratio"]; // crop modes that torchvision's transforms do not have

/** The preprocessing of some weights as torchvision's transforms. */
export function preprocessing(steps, spec) {
  if (ONLY_TIMM.includes(steps.crop_mode)) return `import zoo\n\nprepare = zoo.transform("${spec}")  # crop mode: ${steps.crop_mode}`;
  const list = (values) => `[${values.join(", ")}]`;
  const lines = ["import torch", "from torchvision.transforms import v2", "", "prepare = v2.Compose(["];
  if (steps.resize_size) {
    const size = steps.resize_size.length === 1 ? steps.resize_size[0] : list(steps.resize_size);
    const mode = steps.interpolation.toUpperCase();
    lines.push(`    v2.Resize(${size}, v2.InterpolationMode.${mode}),`);
  }
  if (steps.crop_size) lines.push(`    v2.CenterCrop(${list(steps.crop_size)}),`);
  lines.push("    v2.ToImage(),", "    v2.ToDtype(torch.float32, scale=True),");
  lines.push("    v2.Normalize(", `        mean=${list(steps.mean)},`, `        std=${list(steps.std)},`, "    ),", "])");
  return lines.join("\n");
}
