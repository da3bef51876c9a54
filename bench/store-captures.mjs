// 1,000 captures of 10,000 samples each, of 50,000 different stacks in all: the same at every run.
import { ProfileBuilder } from '../dist/profile/profile-builder.js';
import { samplesOf, weightOf } from '../dist/profile/sample-type.js';

export const EVENT = 'cpu-clock';
const FUNCTIONS = 5000;
/** Milliseconds of one capture, nanoseconds between two of its samples. */
const DURATION = 10_000;
const PERIOD = 1_000_000;

/** A generator of numbers from 0 to 1 (mulberry32). */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Stacks as rows of function numbers, outermost first: 6 to 30 frames; every tenth calls one of its functions again. */
export function drawStacks(count) {
  const random = randomOf(1);
  const below = (limit) => Math.floor(random() * limit);
  const stacks = [];
  const seen = new Set();
  while (stacks.length < count) {
    // Most are other ends of a stack that is there, as in programs.
    const base = stacks.length === 0 ? [0] : stacks[below(stacks.length)];
    const frames = base.slice(0, 1 + below(base.length));
    const length = 6 + below(25);
    while (frames.length < length) frames.push(Math.floor(FUNCTIONS * random() ** 2));
    if (random() < 0.1) frames.push(frames[below(frames.length)]);
    const key = frames.join(' ');
    if (seen.has(key)) continue;
    seen.add(key);
    stacks.push(frames);
  }
  return stacks;
}

export const functionName = (row) => `subsystem_${row % 40}::Component${row % 400}::do_work_${row}`;
export const objectName = (row) => `lib${row % 25}.so`;

/** Which stacks a capture has and how many samples of each: some are in most captures, most in few. */
export function drawCounts(capture, stackCount, samples) {
  const random = randomOf(1000 + capture);
  const counts = new Map();
  for (let i = 0; i < samples; i++) {
    const stack = Math.floor(stackCount * random() ** 16);
    counts.set(stack, (counts.get(stack) ?? 0) + 1);
  }
  // The rare ones are seen too: each capture has some of its own.
  for (let stack = capture * 50; stack < (capture + 1) * 50 && stack < stackCount; stack++) {
    const [most] = counts.keys();
    if (counts.has(stack) || counts.get(most) < 2) continue;
    counts.set(most, counts.get(most) - 1);
    counts.set(stack, 1);
  }
  return counts;
}

export function profileOf(stacks, counts) {
  const builder = new ProfileBuilder([samplesOf(EVENT), weightOf(EVENT)]);
  const locations = new Map();
  const locationOf = (row) => {
    let location = locations.get(row);
    if (location === undefined) {
      const name = builder.function(functionName(row), functionName(row), '', 0);
      const mapping = builder.mapping(`/usr/lib/${objectName(row)}`, '');
      location = builder.location(mapping, row * 64, 0, [{ function: name, line: 0 }]);
      locations.set(row, location);
    }
    return location;
  };
  const labels = builder.labelSet([{ key: 'comm', value: 'app' }]);
  for (const [stack, count] of counts) {
    let path = -1;
    for (const row of stacks[stack]) path = builder.stack(path, locationOf(row));
    const sample = builder.sample(path, labels);
    builder.add(sample, 0, count);
    builder.add(sample, 1, count * PERIOD);
  }
  return builder.freeze({ duration: DURATION, losses: [], comments: [], startTime: 0, clockStart: 0 });
}
