// What holds for every command: help with examples, JSON, exit codes, global options.
import { readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AppOptions } from '../../../controller/cli/context.js';
import { EXIT_CODE_TABLE } from '../../../controller/cli/exit-codes.js';
import { OUTPUT_CLOSED } from '../../../controller/cli/io.js';
import { fail } from '../../../proto/failure.js';
import { drawProfile } from '../../profile/draw-profile.js';
import { drawSeries } from '../draw-histogram.js';
import { FakeApp, run, SCRIPT, WEB1 } from './fake-app.js';

let app: FakeApp;

beforeEach(() => {
  app = new FakeApp();
  app.merged = drawProfile('main;touch 5');
  app.histogramsOf = { all: drawSeries('1:2') };
  app.catalogue = [{ host: WEB1, ok: true, value: [SCRIPT] }];
});

describe('every command', () => {
  const COMMANDS = [
    'record',
    'stat',
    'stap',
    'stap ls',
    'stap show',
    'faults',
    'watch',
    'trigger',
    'import',
    'show',
    'diff',
    'top',
    'outliers',
    'hist',
    'text',
    'export',
    'artifacts',
    'pull',
    'verify',
    'jobs',
    'jobs ls',
    'jobs show',
    'jobs cancel',
    'jobs resume',
    'jobs rm',
    'jobs approve',
    'jobs reject',
    'serve',
    'store',
    'store info',
    'store check',
    'store backup',
    'store restore',
    'store migrate',
    'users',
    'users ls',
    'users add',
    'users revoke',
    'users whoami',
    'hosts',
    'hosts ls',
    'hosts ps',
    'audit',
    'audit ls',
    'audit hosts',
    'audit verify',
    'doctor',
    'ca',
    'ca init',
    'ca issue',
    'ca ls',
    'ca revoke',
    'ca revoked',
    'enroll-token',
    'enroll-token create',
    'enroll-token ls',
    'enroll-token revoke',
    'hosts forget',
    'completion',
    'version',
    'help',
  ];

  it.each(COMMANDS)('%s has help with examples and --json', async (command) => {
    const { code, stdout } = await run([...command.split(' '), '--help'], { app });
    expect(code).toBe(0);
    expect(stdout).toMatch(/Examples:\n {2}# .*\n {2}.*perftrawl /);
    expect(stdout).toContain('--json');
  });

  it('is in the help', async () => {
    const { stdout } = await run(['--help'], { app });
    for (const name of [...COMMANDS.filter((command) => !command.includes(' ')), 'fold', 'agent', 'policy']) {
      expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    }
    expect(stdout).not.toContain('complete-words');
    expect((await run(['help', 'jobs', 'rm'], { app })).stdout).toContain('Usage: perftrawl jobs rm');
    expect((await run(['help', 'fold'], { app })).stdout).toContain('perf.data > out.folded');
  });

  it.each([
    ['record'],
    ['stat'],
    ['stap', 'pagefault-latency'],
    ['stap', 'ls'],
    ['stap', 'show', 'pagefault-latency'],
    ['faults'],
    ['show'],
    ['top'],
    ['outliers'],
    ['hist'],
    ['text'],
    ['artifacts', 'last'],
    ['jobs', 'ls'],
    ['jobs', 'show', 'last'],
    ['jobs', 'cancel', 'last'],
    ['jobs', 'resume', 'last'],
    ['jobs', 'rm', 'last'],
    ['users', 'ls'],
    ['users', 'whoami'],
    ['hosts', 'ls'],
    ['hosts', 'ps'],
    ['hosts', 'forget', 'db1'],
    ['ca', 'ls'],
    ['ca', 'revoke', 'db1'],
    ['ca', 'revoked'],
    ['enroll-token'],
    ['enroll-token', 'ls'],
    ['enroll-token', 'revoke', '0123456789abcdef'],
    ['audit', 'ls'],
    ['audit', 'hosts'],
    ['audit', 'verify'],
    ['doctor'],
    ['version'],
    ['completion', 'bash'],
  ])('%s %s %s prints one JSON document', async (...argv) => {
    const { code, stdout } = await run([...argv, '--json'], { app });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toBeTypeOf('object');
  });

  it('says what went wrong in JSON too', async () => {
    const unknown = await run(['jobs', 'show', 'nosuch', '--json'], { app });
    expect(unknown.code).toBe(4);
    expect(JSON.parse(unknown.stdout)).toEqual({
      error: {
        code: 'not-found',
        message: 'there is no job nosuch',
        remedy: '`perftrawl jobs ls` lists them',
        exitCode: 4,
      },
    });
    expect(JSON.parse((await run(['recrod', '--json'], { app })).stdout).error.exitCode).toBe(2);
  });

  it('has its version asked for as of other programs', async () => {
    for (const words of [['--version'], ['-V']]) {
      const { code, stdout } = await run(words, { app });
      expect([code, stdout]).toEqual([0, (await run(['version'], { app })).stdout]);
    }
    expect(JSON.parse((await run(['--version', '--json'], { app })).stdout)).toHaveProperty('version');
  });

  it('is suggested where it was mistyped', async () => {
    const { code, stderr } = await run(['recrod'], { app });
    expect(code).toBe(2);
    expect(stderr).toMatch(/unknown command 'recrod'.*Did you mean record/);
    expect((await run([], { app })).code).toBe(2);
  });
});

describe('exit codes', () => {
  it.each([
    ['bad-request', 2],
    ['not-found', 4],
    ['unreachable', 5],
    ['untrusted', 5],
    ['bad-data', 6],
    ['permission', 7],
    ['refused', 7],
    ['tool-missing', 7],
    ['tool-failed', 1],
    ['deadline', 1],
    ['exhausted', 1],
    ['cancelled', 130],
    ['internal', 70],
  ] as const)('a failure %s ends with %d', async (failureCode, expected) => {
    app.job = async () => {
      throw fail(failureCode, 'it went wrong', 'mend it');
    };
    const { code, stderr } = await run(['show'], { app });
    expect(code).toBe(expected);
    expect(stderr).toContain('perftrawl: it went wrong (mend it)');
    expect(app.isClosed).toBe(true);
  });

  it('of what is no failure of ours is that of a defect, with the stack', async () => {
    app.job = async () => {
      throw new TypeError('x is not a function');
    };
    const { code, stderr } = await run(['show'], { app });
    expect(code).toBe(70);
    expect(stderr).toMatch(/this is a defect of perftrawl[\s\S]*at .*every-command\.test\.ts/);
  });

  it('is 141, without a word, when the reader of the output went away', async () => {
    const stop = new AbortController();
    app.job = async () => {
      stop.abort(OUTPUT_CLOSED);
      throw fail('cancelled', 'fetching was cancelled', '');
    };
    expect(await run(['show'], { app, stop })).toEqual({ code: 141, stdout: '', stderr: '' });
  });

  it('are documented: `help exit-codes`, docs/exit-codes.md and the table agree', async () => {
    const { stdout } = await run(['help', 'exit-codes'], { app });
    const document = await readFile(new URL('../../../docs/exit-codes.md', import.meta.url), 'utf8');
    for (const { code, meaning } of EXIT_CODE_TABLE) {
      expect(stdout).toMatch(new RegExp(`^ +${code}  `, 'm'));
      expect(document.replaceAll(/ +/g, ' ')).toContain(`| ${code} | ${meaning} |`);
    }
  });
});

describe('global options', () => {
  it('say where the inventory and the data are, also behind the command, before the environment', async () => {
    const opened: AppOptions[] = [];
    const onOpen = (options: AppOptions) => opened.push(options);
    const env = { PERFTRAWL_INVENTORY: '/env/i.yaml', PERFTRAWL_DATA: '/env/data' };
    await run(['hosts'], { app, onOpen });
    await run(['hosts'], { app, onOpen, env });
    await run(['--inventory', 'a.yaml', 'hosts', '--data', 'd'], { app, onOpen, env });
    expect(opened).toEqual([
      {
        inventoryFile: undefined,
        dataDirectory: undefined,
        store: undefined,
        sshConfigFile: undefined,
        server: undefined,
      },
      {
        inventoryFile: '/env/i.yaml',
        dataDirectory: '/env/data',
        store: undefined,
        sshConfigFile: undefined,
        server: undefined,
      },
      { inventoryFile: 'a.yaml', dataDirectory: 'd', store: undefined, sshConfigFile: undefined, server: undefined },
    ]);
  });

  it('are explained where they cannot be given', async () => {
    const { code, stderr } = await run(['--data', 'd', 'fold', 'perf.data'], { app });
    expect(code).toBe(2);
    expect(stderr).toContain('put it first, as in `perftrawl fold …`');
  });
});
