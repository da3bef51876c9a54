// The rules of the policy on captures of every kind: each refuses what it is there for and names itself; none can be talked round.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localMachine } from '../../../agent/host/machine.js';
import {
  CALL_GRAPH_MODES,
  type CaptureRules,
  LOCAL_RULES,
  type ProcessRules,
  RULED_KINDS,
} from '../../../agent/policy/capture-rules.js';
import { resolvePermitted } from '../../../agent/policy/permitted-target.js';
import { defaultPolicy, type Policy } from '../../../agent/policy/policy.js';
import { parsePolicy } from '../../../agent/policy/policy-file.js';
import { policyText } from '../../../agent/policy/policy-text.js';
import { requireAllowed } from '../../../agent/policy/require-allowed.js';
import type { CaptureSpec, KitSpec, RecordSpec, StatSpec, WatchSpec } from '../../../proto/capture.js';
import { FailureError } from '../../../proto/failure.js';

const FILE = '/etc/perftrawl/policy.yaml';
const parse = (text: string, isOnNetwork = false): Policy => {
  const { stap, rules } = defaultPolicy(isOnNetwork);
  return parsePolicy(text, FILE, stap, rules);
};
const record = (change: Partial<RecordSpec> = {}): RecordSpec => ({
  kind: 'record',
  target: { kind: 'system' },
  duration: 1000,
  events: [{ name: 'page-faults' }],
  callGraph: { mode: 'fp' },
  detail: { split: 'comm', keepTimestamps: false, lines: false },
  keepRaw: false,
  ...change,
});
const stat = (change: Partial<StatSpec> = {}): StatSpec => ({
  kind: 'stat',
  target: { kind: 'system' },
  duration: 1000,
  events: [{ name: 'page-faults' }],
  interval: 1000,
  perCpu: false,
  ...change,
});

let root: string;

/** A /proc of our own: pid -> who it is. */
async function drawProcess(pid: number, comm: string, cgroup: string, threads: readonly number[] = []): Promise<void> {
  for (const id of [pid, ...threads]) {
    const directory = join(root, 'proc', String(id));
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'status'), `Name:\t${comm}\nTgid:\t${pid}\nPid:\t${id}\n`);
    await writeFile(join(directory, 'comm'), `${comm}\n`);
    await writeFile(join(directory, 'cmdline'), `/usr/bin/${comm}\0`);
    await writeFile(join(directory, 'cgroup'), `0::${cgroup}\n`);
  }
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'perftrawl-rules-'));
  await mkdir(join(root, 'etc'));
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\n');
  await mkdir(join(root, 'sys/fs/cgroup/system.slice/vault.service'), { recursive: true });
  await mkdir(join(root, 'sys/fs/cgroup/system.slice/web.service'), { recursive: true });
  await drawProcess(10, 'nginx', '/system.slice/web.service', [11]);
  await drawProcess(20, 'vault', '/system.slice/vault.service', [21]);
});
afterEach(() => rm(root, { recursive: true, force: true }));

const machine = () => localMachine({ root, path: '/nowhere' });
const judge = (policy: Policy, spec: CaptureSpec, requester = 'me@here') =>
  requireAllowed(machine(), policy, spec, requester);
/** The refusal's words, or '' when it is allowed. */
function refusal(policy: Policy, spec: CaptureSpec, requester?: string): string {
  try {
    judge(policy, spec, requester);
    return '';
  } catch (error) {
    if (!(error instanceof FailureError) || error.failure.code !== 'refused') throw error;
    return `${error.failure.message}\n${error.failure.remedy}`;
  }
}

describe('a rule', () => {
  const cases: readonly [string, CaptureSpec, RegExp][] = [
    ['kinds: [stat]', record(), /kinds .*policy\.yaml, line 1\) allows stat/],
    ['events:\n  allow: ["sched:*"]', record(), /"page-faults".*events\.allow .*line 2\) allows "sched:\*"/],
    ['events:\n  deny: [page-faults]', record(), /events\.deny .*line 2\) allows all but "page-faults"/],
    ['events:\n  raw: deny', stat({ events: [{ name: 'r01c4' }] }), /"r01c4".*events\.raw/],
    ['events:\n  raw: deny', stat({ events: [{ name: 'cpu/event=0x3c,umask=1/u' }] }), /events\.raw/],
    ['events:\n  filters: deny', record({ events: [{ name: 'a:b', filter: 'c > 1' }] }), /filter.*events\.filters/],
    ['targets:\n  whole-system: deny', record(), /targets\.whole-system .*line 2/],
    ['longest-duration: 30s', record({ duration: 30_001 }), /30\.001 s.*longest-duration .*allows 30 s/],
    ['highest-frequency: 99', record({ rate: { frequency: 100 } }), /100 samples.*highest-frequency .*allows 99/],
    ['shortest-interval: 1s', stat({ interval: 999 }), /shortest-interval .*allows 1000 ms/],
    ['call-graphs: [fp]', record({ callGraph: { mode: 'dwarf', stackBytes: 8192 } }), /dwarf: call-graphs .*allows fp/],
    ['dwarf-stack-bytes: 4096', record({ callGraph: { mode: 'dwarf', stackBytes: 8192 } }), /dwarf-stack-bytes/],
    ['keep-raw: deny', record({ keepRaw: true }), /raw recording.*keep-raw/],
    ['may-ask: ["*@ops"]', record(), /requests of "me@here": may-ask .*allows "\*@ops"/],
    ['targets:\n  never:\n    comms: [vault]', record(), /whole system.*targets\.never/],
  ];

  it.each(cases)('%s', (text, spec, message) => {
    expect(refusal(parse(text), spec)).toMatch(message);
    expect(refusal(parse(''), spec)).toBe('');
  });

  it('names its line in the remedy, and every other rule that refuses too', () => {
    const text = refusal(
      parse('longest-duration: 1s\nhighest-frequency: 10\n'),
      record({ duration: 2000, rate: { frequency: 99 } }),
    );
    expect(text).toMatch(/line 1\).*line 2\)/);
    expect(text).toMatch(/as root, change \/etc\/perftrawl\/policy\.yaml: longest-duration: 2s/);
  });

  it('on the network holds without a file, where a local agent has none', () => {
    const long = record({ duration: 2 * 3_600_000, rate: { frequency: 20_000 } });
    expect(refusal(defaultPolicy(true), long)).toMatch(/default of an agent on the network/);
    expect(refusal(defaultPolicy(false), long)).toBe('');
    expect(refusal(defaultPolicy(true), record())).toBe('');
  });
});

describe('an event', () => {
  const denied = parse('events:\n  deny: [page-faults, cycles, "kmem:*"]');
  it.each([
    ...['faults', 'page-faults:u', 'PAGE-FAULTS', 'faults:ukh', '{cs,faults}:S', '{cs,faults:k}', 'cpu-cycles'],
    ...['cpu/cycles/', 'cpu/cpu-cycles/u', 'kmem:mm_page_alloc', 'km*:*', 'kmem:mm_page_allo?', 'cycles:ppp'],
    ...['{cs,kmem:mm_page_alloc}', 'software/page-faults/', 'faults:u:S'],
  ])('%s does not slip through by another name', (name) => {
    expect(refusal(denied, record({ events: [{ name }] }))).toMatch(/events\.deny/);
  });
  it.each(['cs', 'instructions', 'sched:sched_switch', '{cs,instructions}:S', 'cpu/event=0x3c,umask=1/'])(
    '%s is allowed',
    (name) => {
      expect(refusal(denied, record({ events: [{ name }] }))).toBe('');
    },
  );
});

describe('a target', () => {
  const never = () => parse('targets:\n  never:\n    units: ["vault*"]');
  it('that is named and forbidden is refused, by thread too', () => {
    for (const target of [
      { kind: 'pids', pids: [10, 20] },
      { kind: 'tids', tids: [21] },
      { kind: 'pids', pids: [21] },
      { kind: 'cgroup', path: 'system.slice/vault.service' },
      { kind: 'cgroup', path: '/sys/fs/cgroup/system.slice' },
      { kind: 'cgroup', path: '/' },
      { kind: 'system' },
    ] as const) {
      expect(refusal(never(), record({ target }))).toMatch(/targets\.never/);
    }
    for (const target of [
      { kind: 'pids', pids: [10] },
      { kind: 'cgroup', path: 'system.slice/web.service' },
    ] as const) {
      expect(refusal(never(), record({ target }))).toBe('');
    }
  });

  it('that a selector finds and is forbidden is left out, and told', () => {
    const target = { kind: 'processes', selector: { cmdline: '/usr/bin/' } } as const;
    const { processes, losses } = resolvePermitted(machine(), never(), target);
    expect(processes.map(({ pid }) => pid)).toEqual([10, 11]);
    expect(losses).toEqual([{ kind: 'refused-processes', count: 2, detail: expect.stringMatching(/vault.*line 3/) }]);
    const vault = { kind: 'processes', selector: { comms: ['vault'] } } as const;
    expect(() => resolvePermitted(machine(), never(), vault)).toThrow(/targets\.never\.units/);
  });

  it('must be in every list of only', () => {
    const only = parse('targets:\n  only:\n    comms: [nginx, vault]\n    cgroups: ["/system.slice/web*"]');
    expect(refusal(only, record({ target: { kind: 'pids', pids: [10] } }))).toBe('');
    expect(refusal(only, record({ target: { kind: 'pids', pids: [20] } }))).toMatch(/targets\.only\.cgroups/);
    expect(refusal(only, record())).toMatch(/whole system.*targets\.only/);
  });

  it('of a user: by name or number; a name that nobody knows allows nothing', () => {
    const uid = process.getuid?.() ?? 0;
    const target = { kind: 'pids', pids: [10] } as const;
    expect(refusal(parse(`targets:\n  never:\n    users: [${uid}]`), record({ target }))).toMatch(
      /targets\.never\.users/,
    );
    expect(refusal(parse('targets:\n  only:\n    users: [www-data]'), record({ target }))).toMatch(/only\.users/);
    expect(refusal(parse('targets:\n  never:\n    users: [nobody-here]'), record({ target }))).toMatch(
      /cannot tell who/,
    );
  });
});

describe('a kit', () => {
  const kit: KitSpec = { kind: 'kit', target: { kind: 'system' }, duration: 1000, parts: [record(), stat()] };
  it('runs with the parts that may, and is refused when none may', () => {
    expect(refusal(parse('kinds: [stat]'), kit)).toBe('');
    expect(refusal(parse('kinds: [file]'), kit)).toMatch(/kind record[\s\S]*kind stat/);
    expect(refusal(parse('longest-duration: 500ms'), kit)).toMatch(/longest-duration/);
  });
});

describe('a watch', () => {
  const { kind: _kind, target, ...recorded } = record();
  const watch = (change: Partial<WatchSpec> = {}): WatchSpec => ({
    ...{ kind: 'watch', target, duration: 60_000, events: stat().events, interval: 1000, conditions: [], holds: 1 },
    ...{ record: { ...recorded, duration: 1000 }, coolDown: 1000, most: 1, lookBack: 0, ...change },
  });

  it('is allowed where what it counts and what it records are', () => {
    expect(refusal(parse('kinds: [stat, record]'), watch())).toBe('');
    expect(refusal(parse('kinds: [record]'), watch())).toMatch(/captures of kind stat/);
    expect(refusal(parse('kinds: [record]'), watch({ events: [] }))).toBe('');
    expect(refusal(parse('kinds: [stat]'), watch())).toMatch(/captures of kind record/);
    expect(refusal(parse('events:\n  deny: [page-faults]'), watch())).toMatch(/events\.deny/);
    expect(refusal(parse('targets:\n  whole-system: deny'), watch({ target: { kind: 'system' } }))).toMatch(
      /whole-system/,
    );
  });

  it('counts for as long as it lasts, and records all the time where it looks back', () => {
    expect(refusal(parse('longest-duration: 30s'), watch())).toMatch(/a capture of 60 s/);
    expect(refusal(parse('longest-duration: 30s'), watch({ events: [] }))).toBe('');
    expect(refusal(parse('longest-duration: 30s'), watch({ events: [], lookBack: 5000 }))).toMatch(/a capture of 60 s/);
  });
});

describe('the file', () => {
  it.each([
    ['kinds: [video]', /line 1: kinds holds what is not one of record/],
    ['events:\n  deny: page-faults', /line 2: deny is a list/],
    ['targets:\n  never:\n    groups: [a]', /line 3: "groups" is not known here, only users/],
    ['longest-duration: 48h', /line 1: longest-duration is a duration .* at most 24h/],
    ['highest-frequency: 0', /line 1: highest-frequency is a whole number from 1/],
    ['files: [relative/path]', /line 1: files holds/],
    ['\n\nkeep-raw: yes', /line 3: keep-raw is allow or deny/],
    ['kinds: [stat]\nkinds: [record]', /line 2: .*unique/i],
    ['a: &a [x]\nb: [*a, *a]', /line 1: "a" is not known/],
    ['may-ask: [*nobody]', /line 1: /],
  ])('%j is refused', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });

  it('printed and read again is the same, whatever it says', () => {
    fc.assert(
      fc.property(rulesOf, fc.boolean(), (rules, isOnNetwork) => {
        const policy: Policy = { ...defaultPolicy(isOnNetwork), rules };
        const again = parsePolicy(policyText(policy), FILE, defaultPolicy(!isOnNetwork).stap, LOCAL_RULES);
        expect(again.rules).toEqual(rules);
        expect(again.stap).toEqual(policy.stap);
      }),
      { numRuns: 200 },
    );
  });

  it('never allows what one of its rules denies, whatever the others say', () => {
    let allowedCount = 0;
    const isAllowed = (rules: CaptureRules, spec: CaptureSpec) =>
      refusal({ ...defaultPolicy(false), rules }, spec) === '';
    fc.assert(
      fc.property(rulesOf, fc.constantFrom(...RULE_NAMES), specOf, (rules, name, spec) => {
        // One rule of a random policy in a policy that allows all else: what that refuses, the whole policy refuses.
        const single: CaptureRules = { ...LOCAL_RULES, [name]: rules[name] };
        const others: CaptureRules = { ...rules, [name]: LOCAL_RULES[name] };
        if (isAllowed(rules, spec)) {
          allowedCount++;
          expect([isAllowed(single, spec), isAllowed(others, spec)]).toEqual([true, true]);
        } else {
          expect(isAllowed(single, spec) && isAllowed(others, spec)).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
    expect(allowedCount).toBeGreaterThan(0);
  });

  it('agrees with an independent reading of its bounds', () => {
    fc.assert(
      fc.property(rulesOf, specOf, (rules, spec) => {
        if (spec.kind !== 'record' || refusal({ ...defaultPolicy(false), rules }, spec) !== '') return;
        expect(rules.kinds).toContain('record');
        expect(spec.duration).toBeLessThanOrEqual(rules.longestDuration);
        expect(rules.callGraphs).toContain(spec.callGraph.mode);
        expect(spec.keepRaw && rules.keepRaw === 'deny').toBe(false);
        expect(spec.target.kind === 'system' && rules.targets.wholeSystem === 'deny').toBe(false);
        for (const { name } of spec.events) expect(rules.events.deny).not.toContain(name);
        expect(rules.mayAsk.includes('*') || rules.mayAsk.includes('me@here')).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

const RULE_NAMES = ['kinds', 'events', 'targets', 'longestDuration', 'highestFrequency', 'keepRaw', 'mayAsk'] as const;
const word = fc.constantFrom('page-faults', 'faults', 'sched:*', 'cycles', 'web*', 'a b', '*', 'ä"\\');
const listOf = (item: fc.Arbitrary<string>) => fc.uniqueArray(item, { maxLength: 4 });
const permission = fc.constantFrom('allow' as const, 'deny' as const);
const processRules: fc.Arbitrary<ProcessRules> = fc.record({
  users: listOf(fc.constantFrom('root', 'www-data', '33', '0')),
  units: listOf(word),
  cgroups: listOf(word),
  comms: listOf(word),
});
const strictRules: fc.Arbitrary<CaptureRules> = fc.record({
  kinds: fc.subarray([...RULED_KINDS]),
  events: fc.record({ allow: listOf(word), deny: listOf(word), filters: permission, raw: permission }),
  targets: fc.record({ wholeSystem: permission, only: processRules, never: processRules }),
  files: listOf(fc.constantFrom('*', '/var/tmp/*', '/srv/perf.data')),
  longestDuration: fc.integer({ min: 1, max: 24 * 3_600_000 }),
  highestFrequency: fc.integer({ min: 1, max: 1_000_000 }),
  shortestInterval: fc.integer({ min: 1, max: 24 * 3_600_000 }),
  callGraphs: fc.subarray([...CALL_GRAPH_MODES]),
  dwarfStackBytes: fc.integer({ min: 8, max: 65_528 }),
  keepRaw: permission,
  concurrent: fc.record({ total: fc.integer({ min: 1, max: 1000 }), perKind: fc.integer({ min: 1, max: 1000 }) }),
  mayAsk: listOf(fc.constantFrom('*', '*@ops', 'me@here')),
});
/** Half of each policy as it is on a host without one, so that some requests pass. */
const rulesOf: fc.Arbitrary<CaptureRules> = fc
  .tuple(strictRules, fc.subarray(['kinds', 'events', 'targets', 'callGraphs', 'mayAsk', 'keepRaw', 'longestDuration']))
  .map(([rules, loose]) => {
    const entries = Object.entries(LOCAL_RULES).filter(([key]) => loose.includes(key));
    return { ...rules, ...Object.fromEntries(entries) };
  });
const specOf: fc.Arbitrary<CaptureSpec> = fc
  .record({
    name: fc.constantFrom('page-faults', 'faults:u', 'r01c4', '{cs,faults}', 'sched:sched_switch', 'cycles'),
    duration: fc.integer({ min: 1, max: 3_600_000 }),
    frequency: fc.integer({ min: 1, max: 20_000 }),
    keepRaw: fc.boolean(),
    target: fc.constantFrom(
      { kind: 'system' } as const,
      { kind: 'pids', pids: [10] } as const,
      { kind: 'pids', pids: [10, 20] } as const,
      { kind: 'cgroup', path: 'system.slice/web.service' } as const,
    ),
  })
  .map(({ name, duration, frequency, keepRaw, target }) =>
    record({ events: [{ name }], duration, rate: { frequency }, keepRaw, target }),
  );
