// Random valid profiles for property tests, and a text form that is equal for equal contents whatever the order of the rows.
import fc from 'fast-check';
import type { Profile } from '../../profile/profile.js';
import { ProfileBuilder } from '../../profile/profile-builder.js';
import { samplesOf, weightOf } from '../../profile/sample-type.js';

const frame = fc.record({
  mapping: fc.constantFrom('/bin/app', '[kernel.kallsyms]', '/tmp/perf-7.map', '-'),
  lo: fc.constantFrom(0, 1, 4096, 0xffffffff),
  hi: fc.constantFrom(0, 1, 0xffffffff),
  lines: fc.array(fc.constantFrom('main', 'std::vector<int>::push_back', 'läuft ☃', 'a;b', ''), { maxLength: 2 }),
});

const row = fc.record({
  frames: fc.array(frame, { maxLength: 6 }),
  comm: fc.constantFrom('app', 'a b', ''),
  event: fc.nat(1),
  samples: fc.integer({ min: 1, max: 1000 }),
  weight: fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constant(2 ** 45)),
});

const loss = fc.record({
  kind: fc.constantFrom('lost-events' as const, 'throttled' as const),
  count: fc.nat(1_000_000),
  detail: fc.constantFrom('', 'cpu 1'),
});

/** Two events, up to 30 samples; `timed` adds a timed sample per row. */
export function arbitraryProfile(
  timed = false,
  events: readonly [string, string] = ['page-faults', 'cpu-clock'],
): fc.Arbitrary<Profile> {
  return fc
    .record({
      rows: fc.array(row, { maxLength: 30 }),
      losses: fc.array(loss, { maxLength: 3 }),
      comments: fc.array(fc.constantFrom('linux 6.1', 'perf record -e x'), { maxLength: 2 }),
      startTime: fc.nat(2 ** 30),
      duration: fc.nat(100_000),
    })
    .map(({ rows, ...meta }) => {
      const builder = new ProfileBuilder(events.flatMap((event) => [samplesOf(event), weightOf(event)]));
      for (const { frames, comm, event, samples, weight } of rows) {
        let stack = -1;
        for (const { mapping, lo, hi, lines } of frames) {
          const row = mapping === '-' ? -1 : builder.mapping(mapping, mapping === '/bin/app' ? 'ab12' : '');
          const entries = lines.map((name, line) => ({
            function: builder.function(name, `_Z${name}`, 'x.c', 3),
            line,
          }));
          stack = builder.stack(stack, builder.location(row, lo, hi, entries));
        }
        const sample = builder.sample(stack, builder.labelSet([{ key: 'comm', value: comm }]));
        builder.add(sample, 2 * event, samples);
        builder.add(sample, 2 * event + 1, weight);
        if (timed) builder.timed(sample, event, (samples * 7919) % 1000, samples % 4, weight);
      }
      return builder.freeze(meta);
    });
}

/** The contents of a profile, row order and numbering left out. */
export function contentsOf(profile: Profile): unknown {
  const rows = new Map<string, number[]>();
  for (let i = 0; i < profile.samples.length; i++) {
    const frames: string[] = [];
    for (let stack = profile.samples.stack[i]; stack >= 0; stack = profile.stacks.parent[stack]) {
      frames.push(locationText(profile, profile.stacks.location[stack]));
    }
    const key = JSON.stringify([profile.labelSets[profile.samples.labels[i]], frames]);
    rows.set(
      key,
      profile.samples.values.map((column, type) => column[i] + (rows.get(key)?.[type] ?? 0)),
    );
  }
  const { sampleTypes, losses, comments, startTime, duration } = profile;
  return { sampleTypes, rows: [...rows].sort(), losses, comments, startTime, duration };
}

function locationText(profile: Profile, location: number): string {
  const { strings, mappings, functions, locations, lines } = profile;
  const mapping = locations.mapping[location];
  const object = mapping < 0 ? '-' : `${strings[mappings.filename[mapping]]} ${strings[mappings.buildId[mapping]]}`;
  const names: string[] = [];
  for (let row = locations.lineStart[location]; row < locations.lineStart[location + 1]; row++) {
    const f = lines.function[row];
    const texts = [functions.name[f], functions.systemName[f], functions.filename[f]].map((index) => strings[index]);
    names.push(`${texts.join('|')}:${functions.startLine[f]}:${lines.line[row]}`);
  }
  return `${object}+${locations.addressHi[location]}:${locations.addressLo[location]} ${names.join(' < ')}`;
}
