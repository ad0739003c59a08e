// A network's layers: unpacked into a tree with totals.

/** Read the layers of a model from its family's document. */
export function unpack(document, model) {
  const { texts } = document;
  const packed = document.models[model];
  const nodes = packed.depths.map((depth, place) => ({
    place,
    depth,
    name: texts.names[packed.names[place]],
    type: texts.types[packed.types[place]],
    detail: texts.details[packed.details[place]],
    shape: readShape(texts.shapes[packed.shapes[place]]),
    parameters: packed.parameters[place],
    multiplyAdds: packed.multiply_adds?.[place] ?? null,
    children: [],
  }));
  const above = [];
  for (const node of nodes) {
    above.length = node.depth;
    above.at(-1)?.children.push(node);
    above.push(node);
  }
  addUp(nodes[0]);
  return nodes[0];
}

function addUp(node) {
  for (const child of node.children) {
    addUp(child);
    node.parameters += child.parameters;
    if (node.multiplyAdds !== null) node.multiplyAdds += child.multiplyAdds;
  }
}

const readShape = (text) => (text === "" ? null : text.split("x").map(Number));
