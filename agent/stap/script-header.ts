// The comment at the top of a catalogue script, which says what it is and needs: docs/stap-catalogue.md describes it.
import type { ScriptParameter } from '../../proto/capture.js';

/** One condition on the host. */
export type Need =
  | { readonly kind: 'debuginfo' }
  /** Any one of these functions. */
  | { readonly kind: 'kprobe'; readonly symbols: readonly string[] }
  | { readonly kind: 'tracepoint'; readonly system: string; readonly name: string }
  | { readonly kind: 'kernel'; readonly major: number; readonly minor: number };

export interface HeaderParameter extends ScriptParameter {
  /** The values there are, of a `text`. */
  readonly choices?: readonly string[];
  /** What a `text` is a list of, separated by commas. */
  readonly list?: 'number' | 'name';
  /** Bounds of an `integer`. */
  readonly range?: { readonly from: number; readonly to: number };
  /** The smallest `duration` other than 0, in `unit`. */
  readonly least?: number;
}

export interface ScriptHeader {
  readonly summary: string;
  readonly doc: string;
  /** Names of all variants in order of preference, this file's first; [''] when there is only one. */
  readonly variants: readonly string[];
  readonly variantDoc: string;
  /** As written: `kprobe:handle_mm_fault`. */
  readonly needs: readonly string[];
  /** `-D` options of stap, without the -D. */
  readonly defines: readonly string[];
  readonly parameters: readonly HeaderParameter[];
  readonly testedOn: readonly string[];
  readonly cost: string;
}

const KEYS = ['summary', 'doc', 'variants', 'variant-doc', 'needs', 'defines', 'parameter', 'parts', 'tested', 'cost'];

/**
 * The lines `// key: value` after the first comment line; `//   more` goes on with the value before.
 *
 * @param file for messages
 * @throws Error for a header that is not as described: a defect of the catalogue, never of a request
 */
export function readScriptHeader(file: string, text: string): ScriptHeader {
  const values = headerValues(file, text);
  const one = (key: string) => values.get(key)?.join(' ') ?? '';
  const words = (key: string) =>
    one(key)
      .split(/\s+/)
      .filter((word) => word !== '');
  const needs = words('needs');
  for (const need of needs) parseNeed(need, file);
  const variants = words('variants');
  return {
    summary: one('summary'),
    doc: one('doc'),
    variants: variants.length === 0 ? [''] : variants,
    variantDoc: one('variant-doc'),
    needs,
    defines: words('defines'),
    parameters: (values.get('parameter') ?? []).map((line) => readParameter(file, line)),
    testedOn: words('tested'),
    cost: one('cost'),
  };
}

/** @throws Error for a need that there is not */
export function parseNeed(need: string, file: string): Need {
  if (need === 'debuginfo') return { kind: 'debuginfo' };
  const symbols = /^kprobe:(\w+(?:\|\w+)*)$/.exec(need)?.[1];
  if (symbols !== undefined) return { kind: 'kprobe', symbols: symbols.split('|') };
  const [, system, name] = /^tracepoint:(\w+):(\w+)$/.exec(need) ?? [];
  if (system !== undefined && name !== undefined) return { kind: 'tracepoint', system, name };
  const [, major, minor] = /^kernel>=(\d+)\.(\d+)$/.exec(need) ?? [];
  if (major !== undefined && minor !== undefined) return { kind: 'kernel', major: Number(major), minor: Number(minor) };
  throw new Error(`${file}: no host can be asked for "${need}"`);
}

function headerValues(file: string, text: string): Map<string, string[]> {
  const values = new Map<string, string[]>();
  let last: string[] | undefined;
  const lines = text.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('//'));
  for (const line of lines.slice(1, end)) {
    const [, key, value] = /^\/\/ ([a-z-]+): (.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) {
      if (!KEYS.includes(key)) throw new Error(`${file}: unknown header "${key}"`);
      last = values.get(key) ?? [];
      if (last.length > 0 && key !== 'parameter') throw new Error(`${file}: "${key}" is there twice`);
      values.set(key, last);
      last.push(value.trim());
    } else if (/^\/\/ {3}\S/.test(line) && last !== undefined) {
      last.push(`${last.pop() ?? ''} ${line.slice(2).trim()}`);
    } else if (line !== '//') {
      throw new Error(`${file}: not a line of a header: ${line}`);
    }
  }
  return values;
}

/** `NAME TYPE DEFAULT [unit=…] [choices=a,b] [list=number|name] [range=0..9] [least=100] | DOC` */
function readParameter(file: string, line: string): HeaderParameter {
  const bar = line.indexOf(' | ');
  const [name = '', type = '', defaultValue = '', ...options] = line.slice(0, bar).split(/\s+/);
  const doc = line.slice(bar + 3).trim();
  if (bar < 0 || doc === '' || !(type === 'integer' || type === 'text' || type === 'duration')) {
    throw new Error(`${file}: not a parameter: ${line}`);
  }
  let parameter: HeaderParameter = { name, type, default: defaultValue, unit: '', doc };
  for (const option of options) parameter = { ...parameter, ...readOption(file, option) };
  return parameter;
}

function readOption(file: string, option: string): Partial<HeaderParameter> {
  const [key = '', value = ''] = option.split('=');
  if (key === 'unit') return { unit: value };
  if (key === 'choices') return { choices: value.split(',') };
  if (key === 'list' && (value === 'number' || value === 'name')) return { list: value };
  const [, from, to] = /^(\d+)\.\.(\d+)$/.exec(value) ?? [];
  if (key === 'range' && from !== undefined) return { range: { from: Number(from), to: Number(to) } };
  if (key === 'least' && /^\d+$/.test(value)) return { least: Number(value) };
  throw new Error(`${file}: no option of a parameter: ${option}`);
}
