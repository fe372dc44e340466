// What a person sees of a page that is shown in its whole height: each text with its colour and what is behind it, and what sticks out of its place.
// Runs as the body of a function; its argument is the width of the screen in CSS pixels.
const width = arguments[0];

function numbers(color) {
  const found = color.match(/^rgba?\(([^)]*)\)$/);
  if (!found) throw new Error("no colour that is understood here: " + color);
  const [red, green, blue, alpha = 1] = found[1].split(/[ ,/]+/).map(Number);
  return [red, green, blue, alpha];
}

function paint(element) {
  const style = getComputedStyle(element);
  if (!(element instanceof SVGElement)) return numbers(style.backgroundColor);
  return element instanceof SVGGeometryElement && style.fill !== "none" ? numbers(style.fill) : [0, 0, 0, 0];
}

function name(element) {
  const words = element.textContent.trim().slice(0, 60);
  return `<${element.tagName.toLowerCase()}> ${words}`;
}

function look(node) {
  const parent = node.parentElement;
  const style = getComputedStyle(parent);
  const range = document.createRange();
  range.selectNodeContents(node);
  const box = range.getClientRects()[0];
  if (!box || style.visibility !== "visible") return null;
  const stack = document.elementsFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  const scale = parent instanceof SVGGraphicsElement ? parent.getScreenCTM().a : 1;
  return {
    text: node.data.trim(),
    size: parseFloat(style.fontSize) * scale,
    color: numbers(parent instanceof SVGElement ? style.fill : style.color),
    // From the text down to the canvas. Nothing when it cannot be seen at all, because something lies on it.
    behind: parent.contains(stack[0]) ? stack.map(paint) : [],
  };
}

function sticksOut(element) {
  const box = element.getBoundingClientRect();
  if (box.width === 0) return false;
  if (box.left < -1 || box.right > width + 1) return true;
  const drawing = element.parentElement.closest("svg");
  if (drawing) {
    const frame = drawing.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
  }
  return element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1;
}

const texts = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  if (walker.currentNode.data.trim()) texts.push(look(walker.currentNode));
}
return {
  texts: texts.filter((text) => text !== null),
  sticking_out: [...document.body.querySelectorAll("*")].filter(sticksOut).map(name),
  page_width: document.documentElement.scrollWidth,
};
