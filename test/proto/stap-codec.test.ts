// Specs of stap and kits, plans, the catalogue and modules come back from the wire as they were.
import { describe, expect, it } from 'vitest';
import type { CaptureSpec, ScriptInfo, StapPlan, StapSpec } from '../../proto/capture.js';
import { perftrawl } from '../../proto/generated/perftrawl.js';
import { preflightFromMessage, preflightToMessage } from '../../proto/host-codec.js';
import { specFromMessage, specToMessage } from '../../proto/spec-codec.js';
import { scriptFromInfoMessage, scriptToMessage } from '../../proto/stap-codec.js';

const { CaptureSpec: Spec, PreflightResponse, ScriptInfo: Info } = perftrawl.v1;

function there(spec: CaptureSpec): CaptureSpec {
  return specFromMessage(Spec.decode(Spec.encode(specToMessage(spec)).finish()));
}

const catalogue: StapSpec = {
  kind: 'stap',
  target: { kind: 'processes', selector: { comms: ['postgres'] } },
  duration: 60_000,
  interval: 10_000,
  script: { from: 'catalogue', name: 'pagefault-latency', parameters: { by: 'type', __proto: '; rm -rf /' } },
  overheadPercent: 10,
  keepRaw: false,
};
const own: StapSpec = {
  ...catalogue,
  target: { kind: 'system' },
  script: {
    from: 'request',
    name: 'my.stp',
    text: 'probe begin { println(@1) }\n',
    arguments: ['$(id)', ''],
    isGuru: true,
  },
  command: ['/bin/echo', 'a b', '`id`'],
  module: { sha256: 'ab'.repeat(32), size: 123_456, variant: 'kprobe' },
  keepRaw: true,
};
const plan: StapPlan = {
  script: 'pagefault-latency',
  variant: 'kprobe',
  scriptSha256: 'cd'.repeat(32),
  kernelRelease: '6.1.0-56-cloud-amd64',
  kernelBuildId: 'ef'.repeat(20),
  machine: 'x86_64',
  canCompile: false,
  canRun: true,
};

describe('a spec', () => {
  it.each([
    ['a script of the catalogue', catalogue],
    ['a script of the request, a command, a module', own],
    [
      'what stap printed',
      {
        kind: 'file',
        path: '/a b',
        format: 'stap-text',
        detail: { split: 'comm', keepTimestamps: false, lines: false },
      },
    ],
    [
      'a kit',
      {
        kind: 'kit',
        target: { kind: 'pids', pids: [1, 2] },
        duration: 5000,
        parts: [
          { ...catalogue, target: { kind: 'pids', pids: [1, 2] }, duration: 5000 },
          {
            kind: 'stat',
            target: { kind: 'pids', pids: [1, 2] },
            duration: 5000,
            events: [{ name: 'page-faults' }],
            interval: 1000,
            perCpu: false,
          },
        ],
      },
    ],
  ] satisfies [string, CaptureSpec][])('travels: %s', (_what, spec) => {
    expect(there(spec)).toEqual(spec);
  });

  it('is refused when it is a kit in a kit, however deep', () => {
    let message: perftrawl.v1.CaptureSpec.$Properties = { target: { system: {} }, kit: { parts: [] } };
    for (let depth = 0; depth < 50; depth++) message = { target: { system: {} }, kit: { parts: [message] } };
    expect(() => specFromMessage(message)).toThrow(/kit is made of/);
  });

  it('is refused when it names no script', () => {
    expect(() => specFromMessage({ target: { system: {} }, stap: {} })).toThrow(/names no script/);
  });
});

it('what preflight says of stap travels', () => {
  const result = { problems: [], commandLines: ['staprun x.ko'], processes: [], stap: plan };
  const bytes = PreflightResponse.encode(preflightToMessage(result)).finish();
  expect(preflightFromMessage(PreflightResponse.decode(bytes))).toEqual(result);
});

it('the catalogue travels', () => {
  const script: ScriptInfo = {
    name: 'pagefault-latency',
    summary: 'how long page faults take',
    doc: 'By type.\n',
    parameters: [{ name: 'by', type: 'text', default: 'type', unit: '', doc: 'split' }],
    variants: [
      { name: 'kprobe', doc: 'no debuginfo', needs: ['kprobe:handle_mm_fault'], sha256: 'aa', text: 'probe begin {}' },
    ],
    testedOn: ['6.1.0'],
    cost: '1 µs per fault',
  };
  expect(scriptFromInfoMessage(Info.decode(Info.encode(scriptToMessage(script)).finish()))).toEqual(script);
});
