// Reads pprof files with protobufjs and pprof's published schema: a decoder that shares nothing with our writer.
import { gunzipSync } from 'node:zlib';
import protobuf from 'protobufjs';

const SCHEMA = `
  syntax = "proto3";
  message Profile {
    repeated ValueType sample_type = 1; repeated Sample sample = 2; repeated Mapping mapping = 3;
    repeated Location location = 4; repeated Function function = 5; repeated string string_table = 6;
    int64 time_nanos = 9; int64 duration_nanos = 10; repeated int64 comment = 13; int64 default_sample_type = 14;
  }
  message ValueType { int64 type = 1; int64 unit = 2; }
  message Sample { repeated uint64 location_id = 1; repeated int64 value = 2; repeated Label label = 3; }
  message Label { int64 key = 1; int64 str = 2; int64 num = 3; int64 num_unit = 4; }
  message Mapping {
    uint64 id = 1; uint64 memory_start = 2; uint64 memory_limit = 3; uint64 file_offset = 4; int64 filename = 5;
    int64 build_id = 6; bool has_functions = 7; bool has_filenames = 8; bool has_line_numbers = 9; bool has_inline_frames = 10;
  }
  message Location { uint64 id = 1; uint64 mapping_id = 2; uint64 address = 3; repeated Line line = 4; }
  message Line { uint64 function_id = 1; int64 line = 2; }
  message Function { uint64 id = 1; int64 name = 2; int64 system_name = 3; int64 filename = 4; int64 start_line = 5; }
`;

interface Message {
  readonly sampleType: readonly { type: string; unit: string }[];
  readonly sample: readonly { locationId: readonly string[]; value: readonly string[]; label: readonly Label[] }[];
  readonly mapping: readonly {
    id: string;
    memoryLimit: string;
    filename: string;
    buildId: string;
    hasFunctions: boolean;
  }[];
  readonly location: readonly {
    id: string;
    mappingId: string;
    address: string;
    line: readonly { functionId: string }[];
  }[];
  readonly function: readonly { id: string; name: string }[];
  readonly stringTable: readonly string[];
  readonly timeNanos: string;
  readonly durationNanos: string;
  readonly comment: readonly string[];
  readonly defaultSampleType: string;
}

interface Label {
  readonly key: string;
  readonly str: string;
  readonly num: string;
}

export interface PprofContents {
  readonly sampleTypes: readonly string[];
  readonly totals: readonly number[];
  readonly defaultSampleType: string;
  /** Outermost first, `name;name 12`, with the second value; addresses without a name as `?0x1f`. */
  readonly stacks: readonly string[];
  readonly comments: readonly string[];
  readonly labels: readonly string[];
  readonly mappings: readonly string[];
  readonly timeNanos: bigint;
  readonly durationNanos: bigint;
}

export function readPprof(file: Uint8Array): PprofContents {
  const type = protobuf.parse(SCHEMA).root.lookupType('Profile');
  const decoded = type.decode(gunzipSync(file));
  const message = type.toObject(decoded, { longs: String, defaults: true, arrays: true }) as Message;
  const text = (index: string): string => message.stringTable[Number(index)];
  const functions = new Map(message.function.map((row) => [row.id, text(row.name)]));
  const frames = new Map(
    message.location.map((row) => [
      row.id,
      row.line.length === 0
        ? `?0x${BigInt(row.address).toString(16)}`
        : row.line
            .map((line) => functions.get(line.functionId))
            .reverse()
            .join(';'),
    ]),
  );
  return {
    sampleTypes: message.sampleType.map(({ type, unit }) => `${text(type)}/${text(unit)}`),
    totals: message.sampleType.map((_, i) => message.sample.reduce((sum, sample) => sum + Number(sample.value[i]), 0)),
    defaultSampleType: text(message.defaultSampleType),
    stacks: message.sample.map(
      ({ locationId, value }) =>
        `${[...locationId]
          .reverse()
          .map((id) => frames.get(id))
          .join(';')} ${value[1]}`,
    ),
    comments: message.comment.map(text),
    labels: [
      ...new Set(
        message.sample.flatMap(({ label }) =>
          label.map(({ key, str, num }) => `${text(key)}=${str === '0' ? num : JSON.stringify(text(str))}`),
        ),
      ),
    ].sort(),
    mappings: message.mapping.map(
      ({ filename, buildId, memoryLimit, hasFunctions }) =>
        `${text(filename)} ${text(buildId)} 0-0x${BigInt(memoryLimit).toString(16)}${hasFunctions ? ' named' : ''}`,
    ),
    timeNanos: BigInt(message.timeNanos),
    durationNanos: BigInt(message.durationNanos),
  };
}
