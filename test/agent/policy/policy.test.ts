// The policy file: who may have written it, what may stand in it, and what then may run.
import { createHash } from 'node:crypto';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_BUDGET } from '../../../agent/capture/budget-limits.js';
import { DEFAULT_ADMISSION, NO_ADMISSION } from '../../../agent/host/admission.js';
import { loadPolicy } from '../../../agent/policy/load-policy.js';
import { checkModulePolicy, checkScriptPolicy, checkStapPolicy, defaultPolicy } from '../../../agent/policy/policy.js';
import { parsePolicy } from '../../../agent/policy/policy-file.js';
import type { OwnScript, StapSpec } from '../../../proto/capture.js';

const TEXT = 'probe begin { exit() }\n';
const SHA256 = createHash('sha256').update(TEXT).digest('hex');
const own: OwnScript = { from: 'request', name: 'own.stp', text: TEXT, arguments: [], isGuru: false };

const spec = (change: Partial<StapSpec> = {}): StapSpec => ({
  kind: 'stap',
  target: { kind: 'system' },
  duration: 1000,
  interval: 0,
  script: own,
  overheadPercent: 10,
  keepRaw: false,
  ...change,
});
const remote = defaultPolicy(true);
const local = defaultPolicy(false);
const parse = (text: string, absent = remote.stap) => parsePolicy(text, '/etc/perftrawl/policy.yaml', absent);
const refused = (message: RegExp, remedy: RegExp) =>
  expect.objectContaining({
    failure: {
      code: 'refused',
      message: expect.stringMatching(message),
      remedy: expect.stringMatching(remedy),
    },
  });
const catalogue = { from: 'catalogue', name: 'pagefault-latency', parameters: {} } as const;
const module = { sha256: '0'.repeat(64), size: 1, variant: '' };

describe('without a file', () => {
  it('a local agent runs what its user could run anyway, but for guru mode', () => {
    checkStapPolicy(local, spec({ command: ['true'], module }));
    checkModulePolicy(local);
    expect(() => checkStapPolicy(local, spec({ script: { ...own, isGuru: true } }))).toThrow(
      refused(/guru mode/, new RegExp(`"guru: \\[${SHA256}\\]"`)),
    );
  });

  it('an agent on the network runs the catalogue', () => {
    checkStapPolicy(remote, spec({ script: catalogue }));
    expect(() => checkStapPolicy(remote, spec())).toThrow(
      refused(/own\.stp/, new RegExp(`"scripts: \\[${SHA256}\\]"`)),
    );
    expect(() => checkModulePolicy(remote)).toThrow(refused(/module/, /"modules: allow"/));
    expect(() => checkStapPolicy(remote, spec({ script: catalogue, module }))).toThrow(
      refused(/module/, /modules: allow/),
    );
    expect(() => checkStapPolicy(remote, spec({ script: catalogue, command: ['true'] }))).toThrow(
      refused(/command/, /"commands: allow"/),
    );
  });
});

describe('a file', () => {
  it('says what may run', () => {
    const policy = parse(
      `stap:\n  catalogue: [runq-latency]\n  scripts: ["${SHA256}"]\n  modules: allow\n  commands: allow\n  max-overhead-percent: 20\n`,
    );
    checkStapPolicy(policy, spec({ command: ['true'], module }));
    checkScriptPolicy(policy, spec({ script: { ...catalogue, name: 'runq-latency' } }));
    expect(() => checkScriptPolicy(policy, spec({ script: catalogue }))).toThrow(
      refused(/pagefault-latency/, /catalogue: \[pagefault-latency\]/),
    );
    expect(() => checkScriptPolicy(policy, spec({ script: { ...own, text: `${TEXT}\n` } }))).toThrow(
      refused(/own/, /scripts/),
    );
    expect(() => checkScriptPolicy(policy, spec({ overheadPercent: 21 }))).toThrow(
      refused(/21 %.*20 %/, /--overhead 20%/),
    );
  });

  it('names a script for guru mode, which then may run in it and without', () => {
    const policy = parse(`stap: { guru: ["${SHA256}"] }`);
    checkScriptPolicy(policy, spec({ script: { ...own, isGuru: true } }));
    checkScriptPolicy(policy, spec());
  });

  it('may also forbid a local agent, and leaves the rest as it was', () => {
    const policy = parse('stap:\n  own: deny\n', local.stap);
    expect(() => checkScriptPolicy(policy, spec())).toThrow(refused(/policy\.yaml/, /scripts/));
    expect(policy.stap).toEqual({ ...local.stap, own: 'deny' });
  });

  it.each(['', '# nothing\n', '{}'])('may be empty: %j', (text) => {
    expect(parse(text).stap).toEqual(remote.stap);
  });

  it.each([
    ['stap:\n  modules: allow\n  ownn: allow\n', 3, /"ownn" is not known/],
    ['steap: {}\n', 1, /"steap" is not known here, only stap/],
    ['stap:\n  own: maybe\n', 2, /own is allow or deny/],
    ['stap:\n  own: true\n', 2, /own is allow or deny/],
    ['stap:\n  scripts:\n    - abc\n', 3, /SHA-256/],
    [`stap:\n  guru: ${SHA256}\n`, 2, /guru is a list/],
    ['stap:\n  catalogue: everything\n', 2, /`all`, or a list/],
    ['stap:\n  catalogue: ["../x"]\n', 2, /name of a script/],
    ['stap:\n  max-overhead-percent: 0\n', 2, /above 0/],
    ['stap:\n  max-overhead-percent: "5"\n', 2, /above 0/],
    ['stap:\n  own: allow\n  own: deny\n', 3, /unique/],
    ['stap: [\n', 2, /./],
    ['- stap\n', 1, /mapping/],
    ['stap: &a\n  own: allow\nx: *a\n', 3, /"x" is not known/],
    ['stap:\n  own: *nowhere\n', 2, /./],
    ['stap:\n  own:\n', 2, /allow or deny|no value/],
    ['stap: !!js/function "x"\n', 1, /./],
    ['"stap"', 1, /mapping/],
  ])('%j is refused in line %i', (text, line, message) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        failure: expect.objectContaining({
          code: 'bad-data',
          message: expect.stringMatching(
            new RegExp(`^/etc/perftrawl/policy\\.yaml, line ${line}: .*${message.source}`),
          ),
        }),
      }),
    );
  });
});

describe('on disk', () => {
  let directory = '';
  let file = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'perftrawl-policy-'));
    file = join(directory, 'policy.yaml');
    await writeFile(file, 'stap: { own: allow }\n', { mode: 0o644 });
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  it('is read when root wrote it', async () => {
    expect(await loadPolicy(file, true)).toMatchObject({ origin: file, stap: { own: 'allow', modules: 'deny' } });
  });

  it.each([
    ['another owner', () => chown(file, 1000, 0)],
    ['a group that may write', () => chmod(file, 0o664)],
    ['anybody that may write', () => chmod(file, 0o646)],
  ])('is refused with %s', async (_what, spoil) => {
    await spoil();
    await expect(loadPolicy(file, true)).rejects.toThrow(refused(/others than root/, /chown root:root/));
  });

  it('has to be there when it was named', async () => {
    await expect(loadPolicy(join(directory, 'none'), false)).rejects.toMatchObject({ failure: { code: 'not-found' } });
    await expect(loadPolicy(directory, false)).rejects.toMatchObject({ failure: { code: 'refused' } });
  });
});

describe('the sections budget and admission', () => {
  it('are as they are written, and as without a file where they are not', () => {
    const text =
      'budget:\n  standard: 2%\n  most: cpu=5%,spool=1G\nadmission:\n  load-per-cpu: 0.5\n  memory: 1G\n  even-if-busy: deny\n';
    const { budget, admission } = parse(text);
    expect(budget).toEqual({
      standard: { ...DEFAULT_BUDGET.standard, cpuPercent: 2 },
      most: { cpuPercent: 5, memoryBytes: 0, spoolBytes: 1024 ** 3 },
    });
    expect(admission).toEqual({
      ...DEFAULT_ADMISSION,
      ...{ loadPerCpu: 0.5, memoryBytes: 1024 ** 3, evenIfBusy: 'deny' },
    });
    expect(parse('admission: off\n').admission).toEqual(NO_ADMISSION);
    expect(parse('stap:\n  own: deny\n')).not.toHaveProperty('budget');
  });

  it.each([
    ['budget:\n  standard: 1\n', /line 2: standard is a text/],
    ['budget:\n  most: much\n', /line 2: most: budget: "much" is no share/],
    ['budget:\n  least: 1%\n', /line 2: "least" is not known here, only standard, most/],
    ['admission: never\n', /line 1: here must be a mapping/],
    ['admission:\n  load-per-cpu: -1\n', /line 2: load-per-cpu is a number from 0/],
    ['admission:\n  even-if-busy: yes\n', /line 2: even-if-busy is allow or deny/],
  ])('%j is refused by its line', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });
});
