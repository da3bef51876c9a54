// Parse and count: reads a perf.data to its end, without names for the addresses. Prints samples, distinct stacks and bytes.
//
//   node bench/count.mjs perf.data
import { closeSync, openSync, readSync } from 'node:fs';
import { PerfDataParser } from '../dist/agent/perf/perf-data-parser.js';

const parser = new PerfDataParser({ split: 'comm', keepTimestamps: false, isLive: false });
const file = openSync(process.argv[2], 'r');
for (;;) {
  const length = readSync(file, parser.reserve());
  if (length === 0) break;
  parser.commit(length);
}
closeSync(file);
const { profile } = parser.end();
const samples = profile.samples.values[0].reduce((sum, count) => sum + count, 0);
process.stdout.write(`${JSON.stringify({ samples, stacks: profile.samples.length })}\n`);
