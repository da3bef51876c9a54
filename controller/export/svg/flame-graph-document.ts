// A call tree as one SVG flame graph: a picture everywhere, and in a browser a program with zoom, search and permalinks.
import type { CallTree } from '../../views/call-tree.js';
import { type FlameLayout, flameLayout } from '../../views/flame-layout.js';
import { percentText, withCommas } from '../../views/number-text.js';
import { textWidth } from '../../views/text-table.js';
import { ExportError } from '../exporter.js';
import type { FlameGraphOptions, PaletteName } from './flame-graph-options.js';
import { FLAME_GRAPH_SCRIPT } from './flame-graph-script.js';
import { FLAME_GRAPH_STYLE } from './flame-graph-style.js';
import { backgroundOf, frameColor } from './palette.js';
import { xmlText } from './xml-text.js';

/** What is drawn; how, the options say. */
export interface FlameDrawing {
  readonly tree: CallTree;
  /** Lines under the title, those that are not ''. The id names an element of the document. */
  readonly lines: readonly FlameLine[];
  /** Where the options have no title. */
  readonly title: string;
  readonly palette: PaletteName;
  /** `#rrggbb` of a node of the tree; default: by the palette. */
  readonly colorOf?: (node: number) => string;
  /** What stands in parentheses behind the name of a node, without any itself; default: weight and share. */
  readonly noteOf?: (node: number) => string;
  /** Nodes without weight, which have no place in the picture, in words; default: there are none. */
  readonly absent?: { readonly nodes: number; readonly text: string };
  /** `#rrggbb`, top and bottom; default: that of the palette. */
  readonly background?: readonly [top: string, bottom: string];
}

export interface FlameLine {
  readonly id: 'subtitle' | 'losses' | 'legend' | 'side-a' | 'side-b';
  readonly text: string;
  /** Pieces of the text in colours of their own; together they are the text. */
  readonly pieces?: readonly { readonly text: string; readonly color?: string }[];
}

/** The document in parts of some kilobytes, for large graphs. @throws ExportError, at the first part, for sizes that make no picture */
export function* flameDocument(drawing: FlameDrawing, options: FlameGraphOptions = {}): Generator<string> {
  const picture = pictureOf(drawing, options);
  yield head(picture);
  let text = '';
  for (let row = 0; row < picture.layout.length; row++) {
    text += frameText(picture, row);
    if (text.length > 1 << 16) {
      yield text;
      text = '';
    }
  }
  yield text;
  yield `</g>\n${controls(picture)}<script><![CDATA[${FLAME_GRAPH_SCRIPT}]]></script>\n</svg>\n`;
}

const PAD = 10;
/** Width of a letter of a monospaced font by its size, where it cannot be measured. */
const LETTER = 0.602;
const MONOSPACE = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace";

/** Everything that is decided before the first byte is written. Lengths in pixels. */
interface Picture {
  readonly drawing: FlameDrawing;
  readonly options: FlameGraphOptions;
  readonly tree: CallTree;
  readonly layout: FlameLayout;
  readonly width: number;
  readonly height: number;
  readonly frameHeight: number;
  readonly fontSize: number;
  /** Top of the row of depth 0. */
  readonly rootY: number;
  /** Down from one depth to the next: negative where the root is at the bottom. */
  readonly step: number;
  readonly title: string;
  readonly lines: readonly FlameLine[];
  readonly countName: string;
  readonly hint: string;
}

function pictureOf(drawing: FlameDrawing, options: FlameGraphOptions): Picture {
  const { tree } = drawing;
  const width = within('width', options.width ?? 1200, 300, 100_000);
  const frameHeight = within('frame height', options.frameHeight ?? 16, 8, 100);
  const fontSize = within('font size', options.fontSize ?? 12, 4, 60);
  const minWidth = leastPixels(options, width - 2 * PAD);
  const layout = flameLayout(tree, { width: width - 2 * PAD, minWidth });
  const isInverted = options.inverted === true;
  const lines = drawing.lines.filter(({ text }) => text !== '');
  const top = fontSize * (3 + 1.6 * lines.length);
  const framesHeight = (layout.maxDepth + 1) * frameHeight;
  return {
    ...{ drawing, options, tree, layout, width, lines },
    height: Math.ceil(top + framesHeight + footerHeight(fontSize)),
    frameHeight,
    fontSize,
    rootY: isInverted ? top : top + framesHeight - frameHeight,
    step: isInverted ? frameHeight : -frameHeight,
    title: options.title ?? drawing.title,
    countName: countNameOf(options, tree),
    hint: hintOf(drawing, layout, minWidth),
  };
}

/** What is not drawn; a blank where all is. */
function hintOf({ absent = { nodes: 0, text: '' } }: FlameDrawing, layout: FlameLayout, minWidth: number): string {
  const narrow = layout.hiddenFrames - absent.nodes;
  const hidden = narrow <= 0 ? '' : `${withCommas(narrow)} frames narrower than ${minWidth} pixels are not drawn`;
  return [absent.nodes === 0 ? '' : absent.text, hidden].filter(Boolean).join('; ') || ' ';
}

function head(picture: Picture): string {
  const { drawing, options, width, height, fontSize, tree } = picture;
  const [top, bottom] = drawing.background ?? backgroundOf(paletteOf(picture));
  const facts = [
    ['total', String(tree.total[0])],
    ['count-name', picture.countName],
    ['name-type', options.nameType ?? 'Function'],
    ['font-size', String(fontSize)],
    ['inverted', options.inverted === true ? '1' : '0'],
    ['fluid', options.width === undefined ? '1' : '0'],
  ].map(([name, value]) => ` data-${name}="${xmlText(value)}"`);
  const family = xmlText(options.fontFamily ?? MONOSPACE);
  return `<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<svg version="1.1" xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${family}" font-size="${fontSize}" role="img" aria-label="${xmlText(picture.title)}"${facts.join('')}>
<metadata>${xmlText(options.notes ?? '')}</metadata>
<style>${FLAME_GRAPH_STYLE}</style>
<defs><linearGradient id="sky" x1="0" x2="0" y1="0" y2="1"><stop offset="5%" stop-color="${top}"/><stop offset="95%" stop-color="${bottom}"/></linearGradient></defs>
<rect id="background" width="100%" height="100%" fill="url(#sky)"/>
<g id="frames" tabindex="0" aria-label="frames; arrow keys walk, Enter zooms">
`;
}

/** Title and buttons above, information line below; after the frames, so that they stay visible over them when scrolled. */
function controls(picture: Picture): string {
  const { width, height, fontSize, frameHeight, layout } = picture;
  const first = fontSize * 2;
  const further = picture.lines.map(({ id, text, pieces }, i) => {
    const room = width - 2 * PAD;
    const fits =
      pieces === undefined || text.length * fontSize * LETTER > room ? undefined : pieces.map(pieceText).join('');
    const shown = fits ?? xmlText(fitted(text, room, fontSize * LETTER));
    return `<text id="${id}" x="50%" y="${fixed(first + (i + 1) * fontSize * 1.6)}"><title>${xmlText(text)}</title>${shown}</text>\n`;
  });
  const headerHeight = height - (layout.maxDepth + 1) * frameHeight - footerHeight(fontSize);
  const bottom = height - fontSize;
  return `<g id="header"><rect class="bar" width="100%" height="${fixed(headerHeight)}"/>
<text id="title" x="50%" y="${first}" font-size="${fontSize + 5}">${xmlText(picture.title)}</text>
${further.join('')}<text id="reset" class="hide" role="button" tabindex="0" x="${PAD}" y="${first}">Reset Zoom</text>
<text id="search" role="button" tabindex="0" x="100%" dx="-44" y="${first}">Search</text>
<text id="case" role="button" tabindex="0" aria-pressed="false" aria-label="ignore case" x="100%" dx="-${PAD}" y="${first}"><title>ignore case (Ctrl-I)</title>ic</text>
<foreignObject id="search-box" class="hide" x="${width - 370}" y="${first - fontSize - 6}" width="220" height="${first + 4}"><input xmlns="http://www.w3.org/1999/xhtml" id="term" type="text" placeholder="regular expression" aria-label="search for functions, regular expression" spellcheck="false" autocomplete="off"/></foreignObject>
</g>
<g id="footer"><rect class="bar" y="${height - footerHeight(fontSize)}" width="100%" height="${footerHeight(fontSize)}"/>
<text id="details" role="status" x="${PAD}" y="${bottom}">${xmlText(picture.hint)}</text>
<text id="matched" role="status" x="100%" dx="-${PAD}" y="${bottom}"></text>
</g>
`;
}

function pieceText({ text, color }: { readonly text: string; readonly color?: string }): string {
  return color === undefined ? xmlText(text) : `<tspan fill="${color}">${xmlText(text)}</tspan>`;
}

function paletteOf({ options, drawing }: Picture): PaletteName {
  return options.palette ?? drawing.palette;
}

function footerHeight(fontSize: number): number {
  return fontSize * 2 + 10;
}

function frameText(picture: Picture, row: number): string {
  const { drawing, tree, layout, frameHeight, fontSize } = picture;
  const node = layout.node[row];
  const frame = tree.frames[tree.frame[node]];
  const name = shortened(frame.name);
  const weight = layout.weight[row];
  const x = PAD + layout.x[row];
  const width = layout.width[row];
  const y = picture.rootY + layout.depth[row] * picture.step;
  const note =
    drawing.noteOf?.(node) ?? `${withCommas(weight)} ${picture.countName}, ${percentText(weight, tree.total[0])}`;
  const title = `${name} (${note})`;
  const label = fitted(name, width - 6, fontSize * LETTER);
  const color = drawing.colorOf?.(node) ?? frameColor(paletteOf(picture), frame);
  const text =
    label === ''
      ? ''
      : `<text x="${fixed(x + 3)}" y="${fixed(y + (frameHeight - 1) / 2 + fontSize * 0.35)}">${xmlText(label)}</text>`;
  return (
    `<g data-start="${layout.start[row]}" data-weight="${weight}" data-depth="${layout.depth[row]}"><title>${xmlText(title)}</title>` +
    `<rect x="${fixed(x)}" y="${fixed(y)}" width="${fixed(width)}" height="${frameHeight - 1}" fill="${color}"/>${text}</g>\n`
  );
}

/** The script finds the name in the title as all that stands before the last ` (`, so the count's name may not have one. */
function countNameOf(options: FlameGraphOptions, tree: CallTree): string {
  const bare = tree.type.unit === 'count' ? tree.event : tree.type.unit === 'nanoseconds' ? 'ns' : tree.type.unit;
  const name = options.countName ?? (options.countSamples === true ? 'samples' : bare);
  return name.replaceAll('(', '[').replaceAll(')', ']');
}

function leastPixels({ minWidth = { pixels: 0.1 } }: FlameGraphOptions, width: number): number {
  const pixels = 'pixels' in minWidth ? minWidth.pixels : (minWidth.percent * width) / 100;
  return within('least width', pixels, 0, width);
}

function within(what: string, value: number, least: number, greatest: number): number {
  if (value >= least && value <= greatest) return value;
  throw new ExportError(`the ${what} of a flame graph must be ${least} to ${greatest}, not ${value}`);
}

const LONGEST_NAME = 2000;

function shortened(name: string): string {
  return name.length <= LONGEST_NAME ? name : `${name.slice(0, LONGEST_NAME)}…`;
}

/** As the script does it, for where no script runs. */
function fitted(name: string, pixels: number, letter: number): string {
  const room = Math.floor(pixels / letter);
  if (room < 3) return textWidth(name) <= room ? name : '';
  if (name.length <= room && textWidth(name) <= room) return name;
  return `${name.slice(0, room - 2)}..`;
}

function fixed(value: number): string {
  return String(Math.round(value * 100) / 100);
}
