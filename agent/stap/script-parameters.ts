// Values for the parameters of a catalogue script, checked before any command line sees them.
import { fail } from '../../proto/failure.js';
import type { HeaderParameter } from './script-header.js';

/** MAXSTRINGLEN of SystemTap, without the NUL at the end. */
const MAX_TEXT_BYTES = 511;
/** Of a duration. */
const MAX_HOURS = 24;
const NANOSECONDS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

interface ParametrizedScript {
  readonly name: string;
  readonly parameters: readonly HeaderParameter[];
}

/**
 * `name=value` for `staprun MODULE.ko` (or each after `stap -G`), one for each parameter of the script in its order: what is given, else the
 * default. Values are bare words: staprun joins them with blanks and the kernel reads quotes in them.
 *
 * @param given as a person writes them: `{ interval: '10s', pids: '12,34' }`
 * @throws FailureError `bad-request` for names that the script does not have, and values that are not of their type
 */
export function parameterArguments(script: ParametrizedScript, given: Readonly<Record<string, string>>): string[] {
  const names = script.parameters.map(({ name }) => name);
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) {
      throw fail('bad-request', `${script.name} has no parameter ${quoted(name)}`, `there are: ${names.join(', ')}`);
    }
  }
  return script.parameters.map((parameter) => {
    const value = Object.hasOwn(given, parameter.name) ? given[parameter.name] : undefined;
    if (value === undefined && parameter.default === '') {
      throw fail('bad-request', `${script.name} needs its parameter ${parameter.name}`, parameterText(parameter));
    }
    return `${parameter.name}=${parameterValue(parameter, value ?? parameter.default, script.name)}`;
  });
}

/** The value as the module takes it: durations as a number of `unit`. */
export function parameterValue(parameter: HeaderParameter, value: string, script: string): string {
  const checked =
    parameter.type === 'integer'
      ? integerValue(parameter, value)
      : parameter.type === 'duration'
        ? durationValue(parameter, value)
        : textValue(parameter, value);
  if (checked !== undefined) return checked;
  throw fail(
    'bad-request',
    `${quoted(value)} is no value for the parameter ${parameter.name} of ${script}`,
    parameterText(parameter),
  );
}

/** What a person may write, in words. */
export function parameterText({ type, choices, list, range, least, unit }: HeaderParameter): string {
  if (type === 'integer')
    return range === undefined ? 'a whole number' : `a whole number from ${range.from} to ${range.to}`;
  if (type === 'duration') {
    return `a duration such as 10s or 500ms, ${least === undefined ? '' : `0 or from ${least}${unit} `}to ${MAX_HOURS}h`;
  }
  if (choices !== undefined) return `one of ${choices.join(', ')}`;
  const bounds = `at most ${MAX_TEXT_BYTES} characters`;
  if (list === 'number') return `all, or numbers such as 12,34, ${bounds}`;
  if (list === 'name') return `all, or names such as a,b, ${bounds}`;
  return `letters, digits and any of _ . : + / ! -, ${bounds}`;
}

function integerValue({ range }: HeaderParameter, value: string): string | undefined {
  if (!/^-?\d{1,16}$/.test(value)) return undefined;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || (range !== undefined && (number < range.from || number > range.to)))
    return undefined;
  return String(number);
}

function durationValue({ unit, least = 0 }: HeaderParameter, value: string): string | undefined {
  const [, digits, word = ''] = /^(\d{1,12}(?:\.\d{1,9})?)(ns|us|ms|s|m|h)?$/.exec(value) ?? [];
  const isZero = digits !== undefined && Number(digits) === 0;
  if (digits === undefined || (word === '' && !isZero)) return undefined;
  const nanoseconds = isZero ? 0 : Number(digits) * (NANOSECONDS[word] ?? Number.NaN);
  const number = Math.round(nanoseconds / (NANOSECONDS[unit] ?? Number.NaN));
  const isFitting = isZero || (number >= Math.max(1, least) && nanoseconds <= MAX_HOURS * 3600e9);
  return isFitting ? String(number) : undefined;
}

function textValue(parameter: HeaderParameter, value: string): string | undefined {
  const { choices, list } = parameter;
  if (choices !== undefined) return choices.includes(value) ? value : undefined;
  if (value.length > MAX_TEXT_BYTES) return undefined;
  if (value === parameter.default) return value;
  if (list === 'number') return /^[1-9]\d{0,9}(,[1-9]\d{0,9})*$/.test(value) ? value : undefined;
  if (list === 'name') return /^\w+(,\w+)*$/.test(value) ? value : undefined;
  return /^[\w.:+/!-]+$/.test(value) ? value : undefined;
}

function quoted(value: string): string {
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
}
