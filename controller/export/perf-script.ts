// Every timed sample with its stack, as `perf script` prints it: for the many tools that read that text.
//
//   postgres 1234/1240 [003] 5067.123456:          1 page-faults:
//   \t        55d0c1 ExecInitExpr (/usr/lib/postgresql/15/bin/postgres)
//   \t         2e1f0 main (/usr/lib/postgresql/15/bin/postgres)
//
// Addresses are those of the profile: inside the object file, not where a process had mapped it. Inlined functions are lines
// of their own with `(inlined)` for the file, as perf prints them.
import type { LabelSet, Profile } from '../../profile/profile.js';
import { addressText } from './address-text.js';
import { ExportError, type ExportParts } from './exporter.js';

/** @throws ExportError at the first part when the profile kept no timestamps */
export function* perfScriptText(profile: Profile): ExportParts {
  const { timed, samples, sampleTypes } = profile;
  if (timed === undefined) {
    throw new ExportError(
      'this capture kept no timestamps, so its single samples are gone; record it with timestamps to export them',
    );
  }
  const clockStart = BigInt(profile.clockStart);
  const threads = profile.labelSets.map(threadText);
  let text = '';
  for (let row = 0; row < timed.length; row++) {
    const sample = timed.sample[row];
    const cpu = timed.cpu[row] < 0 ? '' : ` [${String(timed.cpu[row]).padStart(3, '0')}]`;
    const event = plain(sampleTypes[2 * timed.event[row] + 1].type);
    const time = timeText(clockStart + BigInt(timed.time[row]));
    text += `${threads[samples.labels[sample]]}${cpu} ${time}: ${String(timed.weight[row]).padStart(10)} ${event}: \n`;
    text += `${stackText(profile, samples.stack[sample])}\n`;
    if (text.length > 1 << 16) {
      yield text;
      text = '';
    }
  }
  yield text;
}

/** `comm pid/tid`. perf prints `:tid` for a thread whose name it does not know and -1 for one it knows nothing of. */
function threadText(labels: LabelSet): string {
  const labelOf = (key: string): string | undefined => labels.find((label) => label.key === key)?.value;
  const pid = labelOf('pid') ?? '-1';
  const tid = labelOf('tid') ?? pid;
  return `${plain(labelOf('comm') || `:${tid}`)} ${plain(pid)}/${plain(tid)}`;
}

function timeText(nanoseconds: bigint): string {
  const micros = nanoseconds / 1000n;
  return `${micros / 1_000_000n}.${String(micros % 1_000_000n).padStart(6, '0')}`;
}

function stackText(profile: Profile, leaf: number): string {
  let text = '';
  for (let row = leaf; row >= 0; row = profile.stacks.parent[row])
    text += locationText(profile, profile.stacks.location[row]);
  return text;
}

function locationText(profile: Profile, location: number): string {
  const { strings, mappings, functions, locations, lines } = profile;
  const mapping = locations.mapping[location];
  const file = mapping < 0 ? '[unknown]' : plain(strings[mappings.filename[mapping]]) || '[unknown]';
  const address = addressText(profile, location).padStart(16);
  const from = locations.lineStart[location];
  const to = locations.lineStart[location + 1];
  if (from === to) return `\t${address} [unknown] (${file})\n`;
  let text = '';
  for (let row = from; row < to; row++) {
    const name = plain(strings[functions.name[lines.function[row]]]) || '[unknown]';
    text += `\t${address} ${name} (${row === to - 1 ? file : 'inlined'})\n`;
  }
  return text;
}

/** A name can hold anything; a line feed in it must not become a line of the text. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f]/g, '?');
}
