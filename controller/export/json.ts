// A profile as JSON that a script can read without knowing our tables' insides; documented in docs/json-export.md.
import type { Profile } from '../../profile/profile.js';
import { addressText } from './address-text.js';
import type { ExportParts } from './exporter.js';

/** One row per line, so that `grep`, `jq -c` and diffs work; memory stays bounded whatever the size of the profile. */
export function* profileJson(profile: Profile): ExportParts {
  const { strings } = profile;
  const head = {
    format: 'perftrawl-profile',
    version: 1,
    startTime: profile.startTime === 0 ? null : new Date(profile.startTime).toISOString(),
    durationMs: profile.duration,
    clockStartNs: profile.clockStart,
    comments: profile.comments,
    sampleTypes: profile.sampleTypes,
    totals: profile.samples.values.map((column) => column.reduce((sum, value) => sum + value, 0)),
    losses: profile.losses,
  };
  yield `${JSON.stringify(head, undefined, 1).slice(0, -2)},\n`;
  yield* table('mappings', profile.mappings.length, (row) => ({
    filename: strings[profile.mappings.filename[row]],
    buildId: strings[profile.mappings.buildId[row]],
  }));
  yield* table('functions', profile.functions.length, (row) => ({
    name: strings[profile.functions.name[row]],
    systemName: strings[profile.functions.systemName[row]],
    filename: strings[profile.functions.filename[row]],
    startLine: profile.functions.startLine[row],
  }));
  yield* table('locations', profile.locations.length, (row) => ({
    mapping: orNull(profile.locations.mapping[row]),
    // As text: JSON numbers end at 2^53, addresses do not.
    address: `0x${addressText(profile, row)}`,
    lines: linesOf(profile, row),
  }));
  yield* table('stacks', profile.stacks.length, (row) => ({
    parent: orNull(profile.stacks.parent[row]),
    location: profile.stacks.location[row],
  }));
  yield* table('samples', profile.samples.length, (row) => ({
    stack: orNull(profile.samples.stack[row]),
    labels: Object.fromEntries(profile.labelSets[profile.samples.labels[row]].map(({ key, value }) => [key, value])),
    values: profile.samples.values.map((column) => column[row]),
  }));
  const { timed } = profile;
  yield* table(
    'timedSamples',
    timed?.length ?? 0,
    (row) =>
      timed && {
        sample: timed.sample[row],
        event: timed.event[row],
        timeNs: timed.time[row],
        cpu: orNull(timed.cpu[row]),
        weight: timed.weight[row],
      },
    '\n}\n',
  );
}

/** Parts of some kilobytes rather than one per row. */
function* table(name: string, length: number, rowOf: (row: number) => unknown, end = ',\n'): Generator<string> {
  let text = ` ${JSON.stringify(name)}: [`;
  for (let row = 0; row < length; row++) {
    text += `${row === 0 ? '' : ','}\n  ${JSON.stringify(rowOf(row))}`;
    if (text.length > 1 << 16) {
      yield text;
      text = '';
    }
  }
  yield `${text}${length === 0 ? '' : '\n '}]${end}`;
}

function linesOf({ locations, lines }: Profile, location: number): { function: number; line: number }[] {
  const found = [];
  for (let row = locations.lineStart[location]; row < locations.lineStart[location + 1]; row++) {
    found.push({ function: lines.function[row], line: lines.line[row] });
  }
  return found;
}

function orNull(row: number): number | null {
  return row < 0 ? null : row;
}
