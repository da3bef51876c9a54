// The invariants that every profile keeps; checked once, where a profile comes from outside.
import type { Profile } from './profile.js';

/** What is wrong with a profile, or undefined when every invariant of profile.ts holds. Linear in the rows. */
export function checkValid(profile: Profile): string | undefined {
  return (
    checkStrings(profile) ??
    checkLocations(profile) ??
    checkStacks(profile) ??
    checkSamples(profile) ??
    checkTimed(profile) ??
    (profile.losses.some((loss) => !isCount(loss.count)) ? 'a loss has a count that is no whole number' : undefined)
  );
}

function checkStrings({ strings, mappings, functions }: Profile): string | undefined {
  if (strings[0] !== '') return 'string 0 is not empty';
  return (
    inRange('mappings.filename', mappings.filename, mappings.length, 0, strings.length) ??
    inRange('mappings.buildId', mappings.buildId, mappings.length, 0, strings.length) ??
    inRange('functions.name', functions.name, functions.length, 0, strings.length) ??
    inRange('functions.systemName', functions.systemName, functions.length, 0, strings.length) ??
    inRange('functions.filename', functions.filename, functions.length, 0, strings.length) ??
    inRange('functions.startLine', functions.startLine, functions.length, 0, 0x80000000)
  );
}

function checkLocations({ locations, lines, mappings, functions }: Profile): string | undefined {
  const { length, lineStart } = locations;
  if (locations.addressLo.length !== length || locations.addressHi.length !== length) {
    return 'locations.address does not have one value per location';
  }
  if (lineStart.length !== length + 1)
    return 'locations.lineStart does not have one value more than there are locations';
  if (lineStart[0] !== 0 || lineStart[length] !== lines.length) return 'locations.lineStart does not span the lines';
  for (let row = 0; row < length; row++) {
    if (lineStart[row] > lineStart[row + 1]) return `locations.lineStart[${row + 1}] is less than the one before`;
  }
  return (
    inRange('locations.mapping', locations.mapping, length, -1, mappings.length) ??
    inRange('lines.function', lines.function, lines.length, 0, functions.length) ??
    inRange('lines.line', lines.line, lines.length, 0, 0x80000000)
  );
}

function checkStacks({ stacks, locations }: Profile): string | undefined {
  const { length, parent } = stacks;
  for (let row = 0; row < length; row++) {
    if (parent[row] >= row) return `stacks.parent[${row}] is ${parent[row]}: parents come before children`;
  }
  return (
    inRange('stacks.parent', parent, length, -1, length) ??
    inRange('stacks.location', stacks.location, length, 0, locations.length)
  );
}

function checkSamples({ samples, stacks, labelSets, sampleTypes }: Profile): string | undefined {
  if (sampleTypes.length % 2 !== 0) return `${sampleTypes.length} sample types, which is not two per event`;
  if (samples.values.length !== sampleTypes.length) {
    return `${samples.values.length} columns of values for ${sampleTypes.length} sample types`;
  }
  for (const [type, column] of samples.values.entries()) {
    if (column.length !== samples.length) return `samples.values[${type}] does not have one value per sample`;
    const row = column.findIndex((value) => !isCount(value));
    if (row >= 0) return `samples.values[${type}][${row}] is ${column[row]}, not a whole number`;
  }
  return (
    inRange('samples.stack', samples.stack, samples.length, -1, stacks.length) ??
    inRange('samples.labels', samples.labels, samples.length, 0, labelSets.length)
  );
}

function checkTimed({ timed, samples, sampleTypes }: Profile): string | undefined {
  if (timed === undefined) return undefined;
  const { length, time, cpu, weight } = timed;
  if (time.length !== length || cpu.length !== length || weight.length !== length) {
    return 'the columns of timed samples differ in length';
  }
  for (let row = 0; row < length; row++) {
    if (!isCount(time[row])) return `timed.time[${row}] is ${time[row]}, not a whole number`;
    if (row > 0 && time[row] < time[row - 1]) return `timed.time[${row}] is before the row above`;
    if (!isCount(weight[row])) return `timed.weight[${row}] is ${weight[row]}, not a whole number`;
  }
  return (
    inRange('timed.sample', timed.sample, length, 0, samples.length) ??
    inRange('timed.event', timed.event, length, 0, sampleTypes.length / 2)
  );
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** Whether the column has `length` values from `least` up to (not including) `limit`. */
function inRange(name: string, column: Int32Array, length: number, least: number, limit: number): string | undefined {
  if (column.length !== length) return `${name} has ${column.length} values for ${length} rows`;
  for (let row = 0; row < length; row++) {
    const value = column[row];
    if (value < least || value >= limit) return `${name}[${row}] is ${value}, outside ${least} to ${limit - 1}`;
  }
  return undefined;
}
