// Changes of text by lines, words and numbers, so that what comes out is still nearly what a reader expects.
import { NUMBERS, WORDS } from './interesting.js';
import type { Random } from './random.js';

/** `bytes` (latin-1, so that any byte survives) with one change. */
export function changeText(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1');
  if (random.once(60)) return Buffer.from(withRun(text, random), 'latin1');
  const changed = random.once(2)
    ? changeLine(text, random, Buffer.from(other).toString('latin1'))
    : changeWord(text, random);
  return Buffer.from(changed, 'latin1');
}

/** A long run of one word: what a pattern that tries every beginning and every end takes too long for. */
function withRun(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  const word = random.pick([
    ' ',
    '\n',
    '\t',
    ' \n',
    '0',
    'a',
    'a ',
    '(',
    '[',
    '"',
    '\\',
    ':',
    ';',
    '/',
    '-',
    ',',
    '<',
    '{',
    'x=',
    '1.',
  ]);
  return text.slice(0, at) + word.repeat(Math.floor(random.below(60_000) / word.length)) + text.slice(at);
}

function changeLine(text: string, random: Random, other: string): string {
  const lines = text.split('\n');
  const at = random.below(lines.length);
  const [line] = lines.slice(at, at + 1);
  switch (random.below(7)) {
    case 0:
      lines.splice(at, 1 + random.smallBelow(4));
      break;
    case 1:
      lines.splice(at, 0, ...new Array<string>(1 + random.smallBelow(200)).fill(line));
      break;
    case 2:
      lines.splice(random.below(lines.length), 0, line);
      break;
    case 3: {
      const others = other.split('\n');
      const from = random.below(others.length);
      lines.splice(at, random.below(2), ...others.slice(from, from + 1 + random.smallBelow(12)));
      break;
    }
    case 4:
      lines[at] = ' '.repeat(random.smallBelow(80)) + line.trimStart();
      break;
    case 5:
      lines[at] = line.slice(0, random.below(line.length + 1));
      break;
    default:
      lines[at] = line + (lines[at + 1] ?? '');
  }
  return lines.join('\n');
}

function changeWord(text: string, random: Random): string {
  const words = [...text.matchAll(random.once(2) ? /\d+/g : /[^\s,;:=()[\]{}"|]+|[,;:=()[\]{}"|]/g)];
  if (words.length === 0) return text + random.pick(WORDS);
  const { index, 0: word } = random.pick(words);
  const before = text.slice(0, index);
  const after = text.slice(index + word.length);
  switch (random.below(6)) {
    case 0:
      return before + random.pick(NUMBERS).toString(random.pick([10, 10, 16])) + after;
    case 1:
      return before + Buffer.from(random.pick(WORDS)).toString('latin1') + after;
    case 2:
      return before + word + Buffer.from(random.pick(WORDS)).toString('latin1') + after;
    case 3:
      return before + random.pick(words)[0] + after;
    case 4:
      return before + word.repeat(1 + random.smallBelow(300)) + after;
    default:
      return before + after;
  }
}
