// Parse and count: reads every record of a perf.data and counts samples, their frames and weights, and nothing more.
//
//   node bench/count.mjs perf.data
import { closeSync, openSync, readSync } from 'node:fs';
import { EventSet } from '../dist/agent/perf/event-set.js';
import { LossTally } from '../dist/agent/perf/loss-tally.js';
import { PerfReader } from '../dist/agent/perf/reader.js';
import { RecordingFacts } from '../dist/agent/perf/recording-facts.js';

/** Takes the records of a recording of one event. */
class Counter {
  events = new EventSet();
  facts = new RecordingFacts();
  losses = new LossTally();
  counts = { samples: 0, frames: 0, weight: 0, sideband: 0, rounds: 0 };

  sample(words, at) {
    const { layout, attr } = this.events.list[0];
    const { counts } = this;
    counts.samples++;
    counts.weight += layout.period < 0 ? attr.samplePeriod : words[at + layout.period];
    // the number of call chain entries, 64 bits, stands before them
    if (layout.chain >= 0) counts.frames += words[at + layout.chain];
  }

  sideband() {
    this.counts.sideband++;
  }

  round() {
    this.counts.rounds++;
  }
}

const counter = new Counter();
const reader = new PerfReader(counter);
const file = openSync(process.argv[2], 'r');
for (;;) {
  const length = readSync(file, reader.reserve());
  if (length === 0) break;
  reader.commit(length);
}
closeSync(file);
reader.end();
process.stdout.write(`${JSON.stringify(counter.counts)}\n`);
