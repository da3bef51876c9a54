// Waves, and how a sample was drawn, for people.

import type { HostRun, Job, JobEvent, Sample } from '../../api.js';
import { clockDrift } from '../../jobs/host-check.js';
import { planWaves } from '../../jobs/rollout-plan.js';
import { printable } from '../../views/printable.js';

/** Names that are told; `--json` has all. */
const MOST_NAMES = 10;
const MOST_STRATA = 8;

/** `wave 2 of 3: 10 hosts`. */
export function waveText({ wave, of, hosts }: Extract<JobEvent, { kind: 'wave' }>): string {
  return `wave ${wave} of ${of}: ${hosts} ${hosts === 1 ? 'host' : 'hosts'}`;
}

/** How far the hosts' clocks are from ours, and which moved while they captured. */
export function clockLines(runs: readonly HostRun[]): string[] {
  const known = runs.flatMap(({ host, checks }) =>
    checks?.before === undefined ? [] : [{ host, ...checks.before, checks }],
  );
  if (known.length === 0) return [];
  const worst = known.reduce((a, b) => (Math.abs(b.clockOffset) > Math.abs(a.clockOffset) ? b : a));
  const lines = [
    `clocks: at most ${worst.clockOffset.toFixed(1)} ms off (± ${worst.clockUncertainty.toFixed(1)} ms, ${worst.host})`,
  ];
  for (const { host, checks } of known) {
    const drift =
      checks.before === undefined || checks.after === undefined ? 0 : clockDrift(checks.before, checks.after);
    if (drift !== 0)
      lines.push(`the clock of ${host} was moved by ${drift.toFixed(1)} ms while it captured: its times are unsure`);
  }
  return lines.map(printable);
}

/** Nothing for a job that starts on all its hosts at once. */
export function rolloutLines({ request }: Job, runs: readonly HostRun[]): string[] {
  const lines = request.sample === undefined ? [] : [printable(sampleText(request.sample))];
  if (request.rollout === undefined) return lines;
  const ended = new Map(runs.map((run) => [run.host, run]));
  const waves = planWaves(request.hosts, request.rollout).map((wave) => {
    const begun = wave.filter(({ name }) => !['waiting', 'skipped'].includes(ended.get(name)?.state ?? 'waiting'));
    return begun.length === wave.length ? String(wave.length) : `${wave.length} (${begun.length} started)`;
  });
  lines.push(`rollout in ${waves.length} ${waves.length === 1 ? 'wave' : 'waves'} of hosts: ${waves.join(', ')}`);
  const skipped = runs.filter((run) => run.state === 'skipped');
  if (skipped.length > 0) {
    const reason = skipped[0].failure?.message ?? '';
    lines.push(printable(`rollout stopped, ${skipped.length} not started: ${reason}`));
  }
  return lines;
}

function sampleText({ seed, of, stratify, strata, left }: Sample): string {
  const drawn = of - left.length;
  const parts = strata
    .slice(0, MOST_STRATA)
    .map(({ value, hosts, chosen }) => `${value || '(none)'} ${chosen}/${hosts}`);
  if (strata.length > MOST_STRATA) parts.push('…');
  const by = stratify === undefined ? '' : `, by ${stratify}: ${parts.join(', ')}`;
  const names = left.slice(0, MOST_NAMES).join(', ');
  const without = left.length === 0 ? '' : `; without ${names}${left.length > MOST_NAMES ? ', …' : ''}`;
  return `sample of ${drawn} of ${of} hosts (--seed ${seed})${by}${without}`;
}
