// Colours of frames. The same name has the same colour in every graph: it is hashed, never drawn at random.
import type { Frame } from '../../views/frame-table.js';
import type { PaletteName } from './flame-graph-options.js';

/** `#rrggbb` of a frame. */
export function frameColor(palette: PaletteName, frame: Frame): string {
  if (frame.name === '--') return '#a0a0a0';
  if (frame.name === '-') return '#c8c8c8';
  const name = hueName(palette, frame);
  const hash = hashOf(frame.name);
  // Three nearly independent fractions of one hash; hues other than fire and memory vary in brightness only.
  const fractions = [0, 10, 20].map((shift) => ((hash >>> shift) & 0x3ff) / 1023);
  const isVaried = name === 'hot' || name === 'mem';
  const channels = HUES[name].map(([from, to], i) => Math.round(from + (to - from) * fractions[isVaried ? i : 0]));
  return `#${channels.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}

/** Background of the picture, top and bottom, that suits a palette. */
export function backgroundOf(palette: PaletteName): readonly [top: string, bottom: string] {
  switch (palette) {
    case 'mem':
      return ['#f0f4f0', '#dffbdf'];
    case 'io':
    case 'wakeup':
    case 'chain':
      return ['#f0f0f2', '#e0e2fd'];
    case 'hot':
    case 'java':
    case 'js':
    case 'perl':
      return ['#f2f2ee', '#efeeb4'];
    case 'red':
    case 'green':
    case 'blue':
    case 'aqua':
    case 'yellow':
    case 'purple':
    case 'orange':
      return ['#fafafa', '#e9e9e9'];
  }
}

type Hue = 'hot' | 'mem' | 'io' | 'red' | 'green' | 'blue' | 'aqua' | 'yellow' | 'purple' | 'orange';
type Range = readonly [from: number, to: number];

/** Ranges of red, green and blue. Light enough everywhere for black letters. */
const HUES: Record<Hue, readonly [Range, Range, Range]> = {
  hot: [
    [212, 255],
    [56, 226],
    [24, 72],
  ],
  mem: [
    [24, 72],
    [188, 240],
    [36, 204],
  ],
  io: [
    [106, 156],
    [114, 164],
    [200, 250],
  ],
  red: [
    [214, 255],
    [84, 136],
    [84, 136],
  ],
  green: [
    [76, 128],
    [196, 250],
    [76, 128],
  ],
  blue: [
    [104, 152],
    [124, 172],
    [214, 255],
  ],
  aqua: [
    [64, 120],
    [176, 222],
    [176, 222],
  ],
  yellow: [
    [196, 232],
    [188, 224],
    [56, 84],
  ],
  purple: [
    [196, 250],
    [112, 156],
    [200, 252],
  ],
  orange: [
    [220, 255],
    [128, 176],
    [20, 64],
  ],
};

function hueName(palette: PaletteName, { name, origin }: Frame): Hue {
  switch (palette) {
    case 'java':
      if (origin === 'kernel' || name.endsWith('_[k]')) return 'orange';
      if (origin === 'inlined' || name.endsWith('_[i]')) return 'aqua';
      if (origin === 'jit' || name.endsWith('_[j]') || JAVA_NAME.test(name)) return 'green';
      return name.includes('::') ? 'yellow' : 'red';
    case 'js':
      if (origin === 'kernel' || name.endsWith('_[k]')) return 'orange';
      if (origin === 'jit' || name.endsWith('_[j]')) return /[/.\\]/.test(name) ? 'green' : 'aqua';
      if (name.includes('::')) return 'yellow';
      if (/\.[cm]?js\b/.test(name)) return 'green';
      return /^\w+:/.test(name) ? 'aqua' : 'red';
    case 'perl':
      if (origin === 'kernel' || name.endsWith('_[k]')) return 'orange';
      if (name.includes('::')) return 'yellow';
      return /Perl|\.p[lm]\b/.test(name) ? 'green' : 'red';
    case 'chain':
      return name.endsWith('_[w]') ? 'aqua' : 'blue';
    case 'wakeup':
      return 'aqua';
    default:
      return palette;
  }
}

const JAVA_NAME = /:::|^L?(java|javax|jdk|sun|com|org|net|io|scala|kotlin)[/.]/;

/** 32-bit FNV-1a over UTF-16 units, then mixed so that names with a common end differ in all bits. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return (hash ^ (hash >>> 16)) >>> 0;
}
