// The recordings that the bench reads: made here, of the programs in test/oracle/workloads, sizes chosen by the number of samples.
import { readFile, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { measured } from './measure.mjs';

const sources = fileURLToPath(new URL('../test/oracle/workloads/', import.meta.url));
const compile = ['-O1', '-g', '-fno-omit-frame-pointer', '-fno-optimize-sibling-calls', '-pthread'];
const everyFault = ['-e', 'page-faults', '-c', '1', '-g'];

/** Compile the programs into `directory`. */
export async function buildPrograms(directory) {
  const programs = {
    faults: join(directory, 'faults'),
    shapes: join(directory, 'shapes'),
    syscalls: join(directory, 'syscalls'),
  };
  await measured(directory, ['gcc', ...compile, '-o', programs.faults, join(sources, 'faults.c')]);
  await measured(directory, ['gcc', ...compile, '-o', programs.syscalls, join(sources, 'syscalls.c')]);
  await measured(directory, ['g++', '-std=c++17', ...compile, '-o', programs.shapes, join(sources, 'shapes.cc')]);
  return programs;
}

/**
 * One C program, deep stacks: about 870 bytes of perf.data and 6 KB of perf script text for each sample.
 * @param samples how many
 */
export async function recordLarge(directory, { faults }, samples) {
  const file = join(directory, 'large.data');
  await record(directory, file, [...everyFault, '-m', '4096', faults, String(samples), '98', '2000']);
  return describeCapture(file, samples);
}

/** As on a busy host: C, C++ and kernel code, and 200 short-lived processes meanwhile. Some 90,000 samples. */
export async function recordMedium(directory, programs) {
  const file = join(directory, 'medium.data');
  const all =
    '"$1" 6 >/dev/null & "$2" 35000 50 2000 & "$3" 10 & ' +
    'for i in $(seq 100); do ls -la /usr/bin >/dev/null; perl -e 1; done; wait';
  const { shapes, faults, syscalls } = programs;
  await record(directory, file, [...everyFault, 'bash', '-c', all, 'bash', shapes, faults, syscalls]);
  return describeCapture(file, await countSamples(directory, file));
}

/**
 * The whole system by the clock, as one looks at a busy host: kernel code and hundreds of short-lived processes. Some 60,000 samples,
 * however busy the machine is besides: the middle of what the demands speak of.
 */
export async function recordSystem(directory, { syscalls }) {
  const file = join(directory, 'system.data');
  const seconds = 5;
  const all =
    `"$1" 1000 & end=$((SECONDS + ${seconds})); while [ $SECONDS -lt $end ]; do ` +
    'ls -la /usr/bin >/dev/null; perl -e 1; git --version >/dev/null; done; kill $!; wait';
  const frequency = Math.round(60_000 / (seconds * availableParallelism()));
  const clock = ['-a', '-e', 'cpu-clock', '-F', String(frequency), '-g', '-m', '4096'];
  await record(directory, file, [...clock, 'bash', '-c', all, 'bash', syscalls]);
  const capture = await describeCapture(file, await countSamples(directory, file));
  return { ...capture, sizes: `system-wide, ${capture.sizes}` };
}

/** C++ code, some 7,000 samples. */
export async function recordSmall(directory, { shapes }) {
  const file = join(directory, 'small.data');
  await record(directory, file, [...everyFault, shapes, '5']);
  return describeCapture(file, await countSamples(directory, file));
}

async function record(directory, file, args) {
  await measured(directory, ['perf', 'record', '-q', '-N', '-B', '-o', file, ...args]);
}

async function countSamples(directory, file) {
  const report = join(directory, 'samples.txt');
  await measured(directory, ['perf', 'script', '-i', file, '-F', 'comm,tid,time', '-G'], { to: report });
  return (await readFile(report, 'latin1')).split('\n').length - 1;
}

async function describeCapture(file, samples) {
  const { size } = await stat(file);
  return { file, samples, size, sizes: `${samples.toLocaleString('en')} samples, ${(size / 1e6).toFixed(0)} MB` };
}
