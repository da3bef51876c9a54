// Runs in the VM: puts hungry programs into cgroups of our own, and prints as JSON what came of each.
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { openOwnCage } from '../../agent/cage/own-cage.js';
import { runTool, startTool } from '../../agent/process.js';

const ROOT = '/sys/fs/cgroup';
const signal = AbortSignal.timeout(120_000);
const MIB = 1024 ** 2;

/** Takes memory until it is stopped; it would stop by itself at 400 MiB. */
const HUNGRY = `const kept = []; for (let i = 0; i < 40; i++) kept.push(Buffer.alloc(${10 * MIB}, 1)); console.log(kept.length);`;

async function outOfMemory() {
  const cage = openOwnCage(ROOT, process.pid, { cpuQuotaPercent: 0, memoryBytes: 120 * MIB, isBackground: false });
  const tool = await startTool([process.execPath, '-e', HUNGRY], { signal });
  cage?.enter(tool.pid);
  tool.stdout.resume();
  const { signal: killedBy, wasStopped } = await tool.done;
  return { hasCage: cage !== undefined, killedBy, wasStopped, end: await cage?.end() };
}

async function throttled() {
  const cage = openOwnCage(ROOT, process.pid, { cpuQuotaPercent: 20, memoryBytes: 0, isBackground: true });
  const tool = await startTool(['sh', '-c', 'while :; do :; done'], { signal, deadline: 4000 });
  cage?.enter(tool.pid);
  tool.stdout.resume();
  const path = /^0::(.*)$/m.exec(readFileSync(`/proc/${tool.pid}/cgroup`, 'utf8'))?.[1] ?? '';
  let periods = 0;
  const look = setInterval(() => {
    // The cgroup goes with its tool.
    if (existsSync(`${ROOT}${path}/cpu.stat`)) {
      const stat = readFileSync(`${ROOT}${path}/cpu.stat`, 'utf8');
      periods = Number(/^nr_throttled (\d+)$/m.exec(stat)?.[1]);
    }
  }, 200);
  const result = await tool.done;
  clearInterval(look);
  return { path, periods, passedDeadline: result.passedDeadline, cpu: result.cpu, end: await cage?.end() };
}

/** perf is stopped by SIGINT in its cgroup as outside (it ends by that signal itself), and its data is whole. */
async function perf() {
  const cage = openOwnCage(ROOT, process.pid, { cpuQuotaPercent: 150, memoryBytes: 300 * MIB, isBackground: false });
  const file = '/tmp/cage-perf.data';
  // Says so when it has kept a CPU busy for a while, which perf then has seen.
  const workload = ['sh', '-c', 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo counted; exec sleep 60'];
  const tool = await startTool(['perf', 'record', '-o', file, '-e', 'cpu-clock', '-a', '--', ...workload], { signal });
  cage?.enter(tool.pid);
  await once(tool.stdout, 'data');
  tool.stdout.resume();
  tool.stop();
  const { code, signal: by, stderr } = await tool.done;
  const end = await cage?.end();
  const script = await runTool(['perf', 'script', '-i', file, '-F', 'comm'], { signal });
  return { code, by, stderr, end, samples: script.stdout.split('\n').length - 1 };
}

const results = { outOfMemory: await outOfMemory(), throttled: await throttled(), perf: await perf() };
const left = readdirSync(ROOT).filter((name) => name.startsWith('perftrawl-'));
console.log(JSON.stringify({ ...results, left }));
