// How views of histograms are drawn on this terminal.
import type { TextOptions } from '../../views/histogram-text.js';
import type { CommandContext } from '../context.js';

export function textOptions({ io, colours }: CommandContext): TextOptions {
  return { width: io.columns, ascii: isAsciiLocale(io.env), colours: colours.isOn ? '256' : 'none' };
}

/** The rules of locale(7): the first of the three that is set. Where none is set, the terminal may well know UTF-8. */
function isAsciiLocale(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value !== undefined && value !== '');
  return locale === 'C' || locale === 'POSIX';
}
