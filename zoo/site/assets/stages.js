// A network as the stages that an image passes: blocks that put out feature maps of one size.

import { el, svg } from "./dom.js";
import { count } from "./format.js";

const CONTAINERS = ["Sequential", "ModuleList", "ModuleDict"];
const LARGE_SHARE = 0.6; // a module with more of the network than this is looked into

/** List a network's blocks in their order: what a paper's drawing would show as boxes. */
export function blocks(root) {
  const found = [];
  const visit = (node) => {
    const isContainer = node === root || CONTAINERS.includes(node.type);
    const isLarge = node.parameters > LARGE_SHARE * root.parameters;
    if (node.children.length > 0 && (isContainer || isLarge)) node.children.forEach(visit);
    else found.push(node);
  };
  visit(root);
  return found.filter((node) => node.shape !== null);
}

/** Which extent a feature map has: height and width, tokens, or none. */
export function extent(shape) {
  const sides = shape.slice(1);
  if (sides.length === 4) return { key: sides.slice(1).join("×"), side: sides[2], channels: sides[0], isMap: true };
  if (sides.length === 3) {
    // Swin keeps channels last; its maps are square.
    const isLast = sides[0] === sides[1] && sides[1] !== sides[2];
    const [height, width, channels] = isLast ? sides : [sides[1], sides[2], sides[0]];
    return { key: `${height}×${width}`, side: Math.sqrt(height * width), channels, isMap: true };
  }
  if (sides.length === 2) return { key: `${sides[0]} tokens`, side: Math.sqrt(sides[0]), channels: sides[1], isMap: true };
  return { key: "vector", side: 1, channels: sides[0] ?? 1, isMap: false };
}

/** Join blocks that follow each other with maps of one extent. */
export function stages(root) {
  const found = [];
  for (const block of blocks(root)) {
    const here = extent(block.shape);
    const isIdle = block.parameters === 0 && !block.multiplyAdds;
    let stage = found.at(-1);
    if (!stage || stage.key !== here.key) {
      stage = { ...here, parts: [], parameters: 0, multiplyAdds: 0 };
      found.push(stage);
    }
    stage.channels = here.channels;
    stage.parameters += block.parameters;
    stage.multiplyAdds += block.multiplyAdds ?? 0;
    const isSmall = isIdle && block.children.length === 0;
    if (isSmall && !/pool/i.test(block.type)) continue;
    const last = stage.parts.at(-1);
    if (last?.type === block.type) last.times += 1;
    else stage.parts.push({ type: block.type, times: 1 });
  }
  return found.filter((stage) => stage.parts.length > 0);
}

const HIGHEST = 150;
const LEAST = 7;
const SLANT = 0.42;
const GAP = 34;
const COLUMN = 118;

/** Draw the stages as slabs: as high as the map, as thick as it has channels. */
export function drawStages(root, inputSize, name) {
  const found = stages(root);
  if (found.length === 0) return null;
  const input = extent([1, ...inputSize]);
  const all = [{ ...input, parts: [], isInput: true }, ...found];
  const largest = Math.max(...all.map((stage) => stage.side));
  const widest = Math.log2(Math.max(...all.map((stage) => stage.channels), 2));
  const scale = (side) => LEAST + (HIGHEST - LEAST) * Math.sqrt(side / largest);
  const floor = HIGHEST + HIGHEST * SLANT + 8;
  let left = 8;
  const shapes = all.map((stage) => {
    const height = scale(stage.side);
    const depth = height * SLANT;
    const thickness = 5 + (40 * Math.log2(Math.max(stage.channels, 1) + 1)) / widest;
    const room = Math.max(COLUMN, thickness + depth + GAP);
    const slab = { stage, height, depth, thickness, x: left + (room - thickness - depth) / 2, center: left + room / 2 };
    left += room;
    return slab;
  });
  const most = Math.max(...found.map((stage) => stage.parts.length));
  const width = left + 8;
  const height = floor + 58 + 17 * Math.min(most, 3);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": describe(found, name), class: "stages" });
  for (const slab of shapes) drawing.append(...drawSlab(slab, floor));
  return el("div", { class: "scroll drawing", tabindex: 0, role: "region", "aria-label": "Drawing of the stages, scrolls" }, drawing);
}

function drawSlab({ stage, height, depth, thickness, x, center }, floor) {
  const top = floor - height;
  const path = (points, kind) => svg("path", { class: kind, d: `M${points.map((point) => point.map((value) => value.toFixed(1)).join(",")).join("L")}Z` });
  const far = (px, py) => [px + depth, py - depth * 0.62];
  const [a, b, c, d] = [[x, top], [x + thickness, top], [x + thickness, floor], [x, floor]];
  const parts = [
    path([a, b, c, d], "face"),
    path([a, far(...a), far(...b), b], "lid"),
    path([b, far(...b), far(...c), c], "side"),
  ];
  const text = (line, words, kind) => svg("text", { x: center, y: floor + 20 + line * 17, "text-anchor": "middle", class: kind }, words);
  const label = stage.isMap ? `${stage.key} × ${stage.channels}` : String(stage.channels);
  const lines = stage.isInput ? ["input"] : partsOf(stage);
  const figures = stage.isInput ? null : `${count(stage.parameters)}`;
  const isDrawn = stage.isInput ? "slab input" : "slab";
  const group = svg("g", { class: isDrawn }, ...parts, text(0, label, "label"), ...lines.map((line, place) => text(place + 1, line, "part")));
  if (figures) group.append(svg("title", {}, `${label}: ${lines.join(", ")}; ${figures} parameters, ${count(stage.multiplyAdds)} multiply-adds`), text(lines.length + 1, `${figures} par.`, "figure"));
  return [group];
}

function partsOf(stage) {
  const shown = stage.parts.map(({ type, times }) => (times > 1 ? `${times} × ${short(type)}` : short(type)));
  return shown.length <= 3 ? shown : [...shown.slice(0, 2), `and ${shown.length - 2} more`];
}

const short = (type) => (type.length > 17 ? `${type.slice(0, 16)}…` : type);

function describe(found, name) {
  const words = found.map((stage) => `${stage.isMap ? `${stage.key} × ${stage.channels}` : `${stage.channels} values`}: ${partsOf(stage).join(", ")}`);
  return `Stages of ${name}: ${words.join("; ")}`;
}
