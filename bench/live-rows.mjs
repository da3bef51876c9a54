// Live captures through a real agent, as the controller runs them: events lost, CPU on the source machine, bytes on the wire, idle cost.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAgent } from '../dist/proto/agent-client.js';
import { joinStreams } from '../dist/proto/duplex.js';
import { encodeEvent } from '../dist/proto/event-codec.js';
import { decodeProfile } from '../dist/proto/profile-codec.js';
import { interleaved, measured, median, startMeasured } from './measure.mjs';
import { atMostTimes, mebibytes } from './report.mjs';

const everySecond = 400_000;
/** V8 tidies up for some seconds after the last call. */
const restSeconds = 10;
const neverAborted = new AbortController().signal;

/** @param context see run.mjs */
export async function liveRows(context) {
  const { programs, isQuick, log } = context;
  const rounds = 3;
  const duration = isQuick ? 4000 : 10_000;
  const workload = startWorkload(programs.faults);
  try {
    await sleep(200);
    const pids = workload.map((child) => child.pid);
    log(`live captures of ${duration / 1000} s at up to ${everySecond / 1000} k events/s, ${rounds} times each`);
    const runs = await interleaved(rounds, {
      wide: () => captureThroughAgent(context, recordSpec(pids, duration, 8192)),
      narrow: () => captureThroughAgent(context, recordSpec(pids, duration, 2048)),
      alone: () => recordAlone(context, pids, duration),
    });
    return { rows: [...lossRows(runs, duration), ...costRows(runs)], notes: notesOf(runs) };
  } finally {
    for (const child of workload) child.kill('SIGKILL');
  }
}

/** Two processes that fault at a steady pace, together `everySecond` times a second; they end by themselves after some minutes. */
function startWorkload(faults) {
  return [0, 1].map(() => spawn(faults, ['20000000', '10', '2000', '0', String(everySecond / 2)], { stdio: 'ignore' }));
}

function recordSpec(pids, duration, mmapPages) {
  return {
    kind: 'record',
    target: { kind: 'pids', pids },
    duration,
    events: [{ name: 'page-faults' }],
    rate: { period: 1 },
    callGraph: { mode: 'fp' },
    mmapPages,
    detail: { split: 'comm', keepTimestamps: false, lines: false },
    keepRaw: false,
  };
}

/**
 * One capture by an agent process of its own. Its CPU has everything: the agent, perf, symbolizing, serving. `workloadCpu` is what the
 * observed processes used while perf ran: the kernel takes the samples on their time.
 */
async function captureThroughAgent({ directory, perftrawl }, spec) {
  const { connection, ended } = await startAgent(directory, perftrawl);
  const captureId = randomUUID();
  const seen = { lost: 0, wire: 0, recorded: 0, outcome: 'none', workloadCpu: 0 };
  const chunks = [];
  await connection.api.startCapture({ captureId, spec, requester: 'bench' }, neverAborted);
  for await (const event of connection.api.followCapture(captureId, 1, neverAborted)) {
    const { body } = event;
    seen.wire += encodeEvent(event).length;
    if (body.kind === 'state' && body.state === 'running') seen.workloadCpu = -workloadCpu(spec.target.pids);
    if (body.kind === 'state' && body.state === 'symbolizing') seen.workloadCpu += workloadCpu(spec.target.pids);
    if (body.kind === 'profile-chunk') chunks.push(body.chunk);
    if (body.kind === 'losses') seen.lost += lostEvents(body.losses);
    if (body.kind === 'cost') seen.recorded = body.cost.recordedBytes;
    if (body.kind === 'done') seen.outcome = body.outcome;
  }
  await connection.api.releaseCapture(captureId, neverAborted);
  connection.close();
  const usage = await ended;
  if (seen.outcome !== 'finished') throw new Error(`a capture of the bench ended as ${seen.outcome}`);
  const { samples } = decodeProfile(chunks);
  return { ...seen, ...usage, samples: samples.values[0].reduce((sum, count) => sum + count, 0) };
}

/** perf record to a file with the same arguments and nothing else. */
async function recordAlone({ directory }, pids, duration) {
  const file = join(directory, 'alone.data');
  const event = ['-e', 'page-faults', '-c', '1', '-g', '-m', '8192', '-p', pids.join(',')];
  const argv = ['perf', 'record', '-q', '-N', '-B', '-o', file, ...event, '--', 'sleep', String(duration / 1000)];
  const before = workloadCpu(pids);
  const usage = await measured(directory, argv);
  return { ...usage, workloadCpu: workloadCpu(pids) - before, size: (await stat(file)).size };
}

/** An agent on stdio with a state directory of its own, under measurement. */
async function startAgent(directory, perftrawl) {
  const state = await mkdtemp(join(directory, 'agent-'));
  const argv = [...perftrawl, 'agent', '--stdio', '--state', state];
  const { child, ended } = startMeasured(directory, argv, { stdio: ['pipe', 'pipe', 'pipe'] });
  const connection = await connectAgent(async () => joinStreams(child.stdout, child.stdin));
  return { child, ended, connection };
}

function lostEvents(losses) {
  const kinds = new Set(['lost-events', 'lost-samples']);
  return losses.reduce((sum, { kind, count }) => (kinds.has(kind) ? sum + count : sum), 0);
}

function lossRows({ wide, narrow }, duration) {
  const rate = (run) => `${(run.samples / duration).toFixed(0)} k events/s`;
  const row = (name, runs, demand, aim, isDemanded) => {
    const lost = runs.map((run) => run.lost);
    return {
      what: `lost of a live capture, ${name}`,
      ours: `${median(lost)} of ${median(runs.map((run) => run.samples))}`,
      peer: runs.map(rate).join(', '),
      result: `worst of ${runs.length}: ${Math.max(...lost)}`,
      demand,
      aim,
      isMet: isDemanded ? Math.max(...lost) === 0 : undefined,
    };
  };
  return [row('-m 8192', wide, '0 lost', '0 lost', true), row('-m 2048', narrow, '-', '0 lost', false)];
}

function costRows({ wide, alone }) {
  const recorded = median(wide.map((run) => run.recorded));
  const wire = median(wide.map((run) => run.wire));
  // A busy machine catches fewer events in the same time, and all costs follow the events caught.
  const scaled = (runs, cpuOf, sizeOf) => median(runs.map((run) => (cpuOf(run) / sizeOf(run)) * recorded));
  const tools = (run) => run.cpu;
  const everything = (run) => run.cpu + run.workloadCpu;
  const against = (what, cpuOf) =>
    atMostTimes(
      what,
      scaled(wide, cpuOf, (run) => run.recorded),
      scaled(alone, cpuOf, (run) => run.size),
      { demand: 1.2, aim: 1.05, sizes: `for ${mebibytes(recorded)} of perf.data` },
    );
  return [
    against('total CPU of the machine, live capture against perf record to a file', everything),
    { ...against('the same without the observed processes', tools), demand: '-', aim: '-', isMet: undefined },
    {
      what: 'bytes on the wire against perf.data',
      ours: mebibytes(wire),
      peer: mebibytes(recorded),
      result: `1/${(recorded / wire).toFixed(0)}`,
      demand: '<= 1/50',
      aim: '1/200',
      isMet: recorded / wire >= 50,
    },
  ];
}

function notesOf({ wide, alone }) {
  const size = mebibytes(median(alone.map((run) => run.size)));
  const peak = median(wide.map((run) => run.peakMiB)).toFixed(0);
  return [
    `live: perf record alone wrote ${size}; the agent's (or perf's) peak memory was ${peak} MiB`,
    'total CPU of a live capture: the agent from its start to its end (reading, symbolizing, delivering), perf, and the observed ' +
      'processes while perf ran; of its peer: perf and the observed processes. Both for as much perf.data as the live capture read',
  ];
}

/** An agent that answered once and then waits. */
export async function idleRows({ directory, perftrawl, isQuick, log }) {
  const watch = isQuick ? 5 : 20;
  log(`an idle agent, watched for ${watch} s`);
  const state = await mkdtemp(join(directory, 'agent-'));
  const [command, ...args] = [...perftrawl, 'agent', '--stdio', '--state', state];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.on('close', resolve));
  const connection = await connectAgent(async () => joinStreams(child.stdout, child.stdin));
  await connection.api.describe(neverAborted);
  await sleep(restSeconds * 1000);
  const before = cpuNanoseconds(child.pid);
  await sleep(watch * 1000);
  const share = (cpuNanoseconds(child.pid) - before) / (watch * 1e9);
  const resident = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024;
  connection.close();
  await ended;
  const rss = `${resident.toFixed(0)} MiB`;
  const cpu = `${(100 * share).toFixed(3)} % of a core`;
  return {
    rows: [
      {
        what: 'memory of an idle agent',
        ours: rss,
        peer: '-',
        result: rss,
        demand: '<= 55 MiB',
        aim: '45 MiB',
        isMet: resident <= 55,
      },
      {
        what: 'CPU of an idle agent',
        ours: cpu,
        peer: '-',
        result: cpu,
        demand: '<= 0.1 %',
        aim: '-',
        isMet: share <= 0.001,
      },
    ],
    notes: [
      `idle agent: after one Describe call and ${restSeconds} s of rest, watched for ${watch} s. In that rest V8 tidies up once: some 45 ms`,
    ],
  };
}

/** CPU seconds of the observed processes so far. */
const workloadCpu = (pids) => pids.reduce((sum, pid) => sum + cpuNanoseconds(pid), 0) / 1e9;

/** Time on a CPU of all threads of a process. */
function cpuNanoseconds(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce(
    (sum, tid) => sum + Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]),
    0,
  );
}
