// Which column of the wire is which column of a profile, both ways.
import type { Loss } from '../profile/loss.js';
import type { LabelSet, Profile, TimedSampleTable } from '../profile/profile.js';
import type { SampleType, Unit } from '../profile/sample-type.js';
import type { ColumnDecoder } from './column-codec.js';
import { fail } from './failure.js';
import { perftrawl } from './generated/perftrawl.js';

const { ColumnId } = perftrawl.v1;

export interface WireColumn {
  readonly id: perftrawl.v1.ColumnId;
  /** Index of the sample type for SAMPLE_VALUE, else 0. */
  readonly series: number;
  readonly rows: ArrayLike<number>;
}

/** Every integer column of a profile, in the order that they travel. */
export function columnsOf(profile: Profile): WireColumn[] {
  const { mappings, functions, locations, lines, stacks, samples, timed } = profile;
  const lineCount = Int32Array.from(
    { length: locations.length },
    (_, i) => locations.lineStart[i + 1] - locations.lineStart[i],
  );
  const plain: [perftrawl.v1.ColumnId, ArrayLike<number>][] = [
    [ColumnId.MAPPING_FILENAME, mappings.filename],
    [ColumnId.MAPPING_BUILD_ID, mappings.buildId],
    [ColumnId.FUNCTION_NAME, functions.name],
    [ColumnId.FUNCTION_SYSTEM_NAME, functions.systemName],
    [ColumnId.FUNCTION_FILENAME, functions.filename],
    [ColumnId.FUNCTION_START_LINE, functions.startLine],
    [ColumnId.LOCATION_MAPPING, locations.mapping],
    [ColumnId.LOCATION_ADDRESS_LO, locations.addressLo],
    [ColumnId.LOCATION_ADDRESS_HI, locations.addressHi],
    [ColumnId.LOCATION_LINE_COUNT, lineCount],
    [ColumnId.LINE_FUNCTION, lines.function],
    [ColumnId.LINE_NUMBER, lines.line],
    [ColumnId.STACK_PARENT, stacks.parent],
    [ColumnId.STACK_LOCATION, stacks.location],
    [ColumnId.SAMPLE_STACK, samples.stack],
    [ColumnId.SAMPLE_LABELS, samples.labels],
  ];
  if (timed !== undefined) {
    plain.push(
      [ColumnId.TIMED_SAMPLE, timed.sample],
      [ColumnId.TIMED_EVENT, timed.event],
      [ColumnId.TIMED_TIME, timed.time],
      [ColumnId.TIMED_CPU, timed.cpu],
      [ColumnId.TIMED_WEIGHT, timed.weight],
    );
  }
  return [
    ...plain.map(([id, rows]) => ({ id, series: 0, rows })),
    ...samples.values.map((rows, series) => ({ id: ColumnId.SAMPLE_VALUE, series, rows })),
  ];
}

/** What a decoder has gathered of one profile. */
export interface ProfileParts {
  readonly header: perftrawl.v1.ProfileHeader.$Properties;
  readonly strings: readonly string[];
  readonly labelSets: readonly LabelSet[];
  readonly losses: readonly Loss[];
  readonly column: (id: perftrawl.v1.ColumnId, series: number) => ColumnDecoder;
}

/** Put the columns together; the caller checks the result with checkValid. */
export function assembleProfile({ header, strings, labelSets, losses, column }: ProfileParts): Profile {
  const int32 = (id: perftrawl.v1.ColumnId) => column(id, 0).toInt32();
  const uint32 = (id: perftrawl.v1.ColumnId) => column(id, 0).toUint32();
  const sampleTypes = (header.sampleTypes ?? []).map(toSampleType);
  const mapping = int32(ColumnId.LOCATION_MAPPING);
  const name = int32(ColumnId.FUNCTION_NAME);
  const lineFunction = int32(ColumnId.LINE_FUNCTION);
  const parent = int32(ColumnId.STACK_PARENT);
  const stack = int32(ColumnId.SAMPLE_STACK);
  const filename = int32(ColumnId.MAPPING_FILENAME);
  return {
    sampleTypes,
    strings,
    mappings: { length: filename.length, filename, buildId: int32(ColumnId.MAPPING_BUILD_ID) },
    functions: {
      length: name.length,
      name,
      systemName: int32(ColumnId.FUNCTION_SYSTEM_NAME),
      filename: int32(ColumnId.FUNCTION_FILENAME),
      startLine: int32(ColumnId.FUNCTION_START_LINE),
    },
    locations: {
      length: mapping.length,
      mapping,
      addressLo: uint32(ColumnId.LOCATION_ADDRESS_LO),
      addressHi: uint32(ColumnId.LOCATION_ADDRESS_HI),
      lineStart: runningStart(int32(ColumnId.LOCATION_LINE_COUNT)),
    },
    lines: { length: lineFunction.length, function: lineFunction, line: int32(ColumnId.LINE_NUMBER) },
    stacks: { length: parent.length, parent, location: int32(ColumnId.STACK_LOCATION) },
    labelSets,
    samples: {
      length: stack.length,
      stack,
      labels: int32(ColumnId.SAMPLE_LABELS),
      values: sampleTypes.map((_, series) => column(ColumnId.SAMPLE_VALUE, series).toFloat64()),
    },
    timed: assembleTimed(int32, column),
    losses,
    startTime: time('start time', header.startTimeMs),
    duration: time('duration', header.durationMs),
    clockStart: time('start of its clock', Math.floor(header.clockStartNs ?? 0), 2 ** 64),
    comments: header.comments ?? [],
  };
}

/** Exporters count in whole nanoseconds: what is no number, negative, or beyond the year 285,000 has no place there. */
function time(what: string, value: number | null | undefined, most = Number.MAX_SAFE_INTEGER): number {
  const given = value ?? 0;
  if (given >= 0 && given <= most) return given;
  throw fail('bad-data', `cannot read the profile: its ${what} is ${given}`);
}

function assembleTimed(
  int32: (id: perftrawl.v1.ColumnId) => Int32Array,
  column: ProfileParts['column'],
): TimedSampleTable | undefined {
  const sample = int32(ColumnId.TIMED_SAMPLE);
  if (sample.length === 0) return undefined;
  return {
    length: sample.length,
    sample,
    event: int32(ColumnId.TIMED_EVENT),
    time: column(ColumnId.TIMED_TIME, 0).toFloat64(),
    cpu: int32(ColumnId.TIMED_CPU),
    weight: column(ColumnId.TIMED_WEIGHT, 0).toFloat64(),
  };
}

function runningStart(counts: Int32Array): Int32Array {
  const start = new Int32Array(counts.length + 1);
  for (let row = 0; row < counts.length; row++) start[row + 1] = start[row] + counts[row];
  return start;
}

const UNITS: readonly Unit[] = ['count', 'nanoseconds', 'bytes', 'cycles'];

function toSampleType(message: perftrawl.v1.SampleType.$Properties): SampleType {
  const unit = UNITS.find((known) => known === message.unit);
  if (unit === undefined)
    throw fail('bad-data', `cannot read the profile: unknown unit ${JSON.stringify(message.unit)}`);
  return { type: message.type ?? '', unit };
}
