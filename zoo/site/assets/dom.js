// Elements from plain values. Text only ever becomes text: nothing here reads HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Make an HTML element: el("a", {href: "x", on: {click}}, "text", child). */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  const known = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  element.append(...known.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** A link to another site, or just its text where the address is none that a browser should follow. */
export function outside(address, ...children) {
  const isWeb = /^https?:\/\//.test(address ?? "");
  return isWeb ? el("a", { href: address, rel: "noreferrer" }, ...children) : el("span", {}, ...children);
}

export const find = (id) => document.getElementById(id);

/** Say that the page cannot go on, where the user looks. */
export function fail(error) {
  const box = el("p", { class: "failure", role: "alert" }, `This page cannot be shown: ${error.message}`);
  find("main").prepend(box);
}
