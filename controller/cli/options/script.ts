// Which SystemTap script to run, with what: a name of the catalogue or a file, parameters, a command, the overhead it may have.
import { basename } from 'node:path';
import type { CatalogueScript, OwnScript } from '../../../proto/capture.js';
import { UsageError } from '../usage-error.js';
import { parsePercent } from './numbers.js';

/** As commander hands them over. */
export interface ScriptOptions {
  readonly param?: readonly string[] | undefined;
  readonly arg?: readonly string[] | undefined;
  readonly guru?: true | undefined;
}

export const LONGEST_SCRIPT = 1 << 20;
const LONGEST_VALUE = 4096;

/** A file is told by a slash or its ending: `./top.stp`, `top.stp`. */
export function isScriptFile(name: string): boolean {
  return name.includes('/') || name.endsWith('.stp');
}

/** @throws UsageError */
export function parseCatalogueScript(name: string, options: ScriptOptions): CatalogueScript {
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(name)) {
    throw new UsageError(
      `stap: '${name}' is no name of a script; \`perftrawl stap ls\` lists them, a file is ./NAME.stp`,
    );
  }
  if ((options.arg ?? []).length > 0) {
    throw new UsageError(`--arg: scripts of the catalogue take -p NAME=VALUE; see \`perftrawl stap show ${name}\``);
  }
  if (options.guru === true) throw new UsageError('-g: no script of the catalogue needs guru mode');
  return { from: 'catalogue', name, parameters: parseParameters(options.param ?? []) };
}

/** @param text what the file holds @throws UsageError */
export function parseOwnScript(file: string, text: Uint8Array, options: ScriptOptions): OwnScript {
  if ((options.param ?? []).length > 0) {
    throw new UsageError('-p: a script of your own takes its $1, @1, … with --arg VALUE');
  }
  if (text.length > LONGEST_SCRIPT) throw new UsageError(`${file}: a script of more than ${LONGEST_SCRIPT} bytes`);
  const decoded = decodeText(file, text);
  if (decoded.trim() === '') throw new UsageError(`${file}: the script is empty`);
  const given = options.arg ?? [];
  for (const value of given) checkValue('--arg', value);
  return { from: 'request', name: basename(file), text: decoded, arguments: given, isGuru: options.guru === true };
}

/** `NAME=VALUE`, as the script's own description has them; which names and values there can be, the host's agent knows. */
export function parseParameters(list: readonly string[]): Record<string, string> {
  const given = list.map((text) => {
    const match = /^([A-Za-z_][A-Za-z0-9_-]{0,63})=(.*)$/s.exec(text);
    if (match === null) throw new UsageError(`-p: '${text}' is not of the form NAME=VALUE`);
    return [match[1], checkValue(`-p ${match[1]}`, match[2])] as const;
  });
  const names = given.map(([name]) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UsageError(`-p: ${twice} is given twice`);
  return Object.fromEntries(given);
}

/** `10%` or `10`, of each CPU. */
export function parseOverhead(option: string, text: string): number {
  const percent = parsePercent(option, text.replace(/%$/, ''));
  if (percent === 0) throw new UsageError(`${option}: with '${text}' no probe could run; give a share such as 10%`);
  return percent;
}

function checkValue(option: string, value: string): string {
  if (value.length > LONGEST_VALUE || value.includes('\0')) {
    throw new UsageError(`${option}: takes a text of at most ${LONGEST_VALUE} characters`);
  }
  return value;
}

function decodeText(file: string, text: Uint8Array): string {
  try {
    const decoded = new TextDecoder('utf-8', { fatal: true }).decode(text);
    if (!decoded.includes('\0')) return decoded;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  throw new UsageError(`${file}: this is no text, so no SystemTap script`);
}
