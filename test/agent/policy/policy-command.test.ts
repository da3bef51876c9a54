// `perftrawl policy`: what it prints, and with which exit code it ends.
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultPolicy } from '../../../agent/policy/policy.js';
import { runPolicy } from '../../../agent/policy/policy-command.js';
import { parsePolicy } from '../../../agent/policy/policy-file.js';

class Collector extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'perftrawl-policy-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function run(...argv: string[]) {
  const [stdout, stderr] = [new Collector(), new Collector()];
  const code = await runPolicy(argv, { stdout, stderr });
  return { code, stdout: stdout.text, stderr: stderr.text };
}
async function file(text: string): Promise<string> {
  const path = join(directory, 'policy.yaml');
  await writeFile(path, text, { mode: 0o644 });
  return path;
}

describe('perftrawl policy', () => {
  it('check prints what holds, with where it comes from', async () => {
    const path = await file('\nlongest-duration: 5m\nstap:\n  own: allow\n');
    const { code, stdout, stderr } = await run('check', path, '--network');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^longest-duration: 5m +# line 2$/m);
    expect(stdout).toMatch(/^ {2}own: allow +# line 4$/m);
    expect(stdout).toMatch(/^highest-frequency: 10000 +# default$/m);
    const json = JSON.parse((await run('check', path, '--json')).stdout);
    expect(json).toMatchObject({ isSound: true, rules: { longestDuration: 300_000 }, lines: { 'stap.own': 4 } });
  });

  it('check names the line of what is wrong, and what is missing', async () => {
    const path = await file('kinds: [record]\nkeep-raw: maybe\n');
    const stderr = expect.stringMatching(/policy\.yaml, line 2: keep-raw/);
    expect(await run('check', path)).toMatchObject({ code: 6, stderr });
    expect(JSON.parse((await run('check', path, '--json')).stdout)).toMatchObject({ isSound: false });
    expect((await run('check', join(directory, 'absent'))).code).toBe(4);
    expect((await run('check', directory)).code).toBe(7);
  });

  it('check of a draft that others can write says that an agent would refuse it', async () => {
    const path = await file('kinds: [record]\n');
    await chmod(path, 0o666);
    const { code, stderr } = await run('check', path);
    expect(code).toBe(0);
    expect(stderr).toMatch(/would refuse it.*mode 666/);
  });

  it('example is a file that says what holds without one', async () => {
    for (const isOnNetwork of [true, false]) {
      const { code, stdout } = await run('example', ...(isOnNetwork ? ['--network'] : []));
      expect(code).toBe(0);
      const other = defaultPolicy(!isOnNetwork);
      const { rules, stap } = parsePolicy(stdout, 'example', other.stap, other.rules);
      const { rules: ownRules, stap: ownStap } = defaultPolicy(isOnNetwork);
      expect({ rules, stap }).toEqual({ rules: ownRules, stap: ownStap });
    }
  });

  it('has help, and refuses what it does not know', async () => {
    const stdout = expect.stringMatching(/Examples\n.*perftrawl policy check/);
    expect(await run('--help')).toMatchObject({ code: 0, stdout });
    for (const argv of [[], ['chekc'], ['check', 'a', 'b'], ['check', '--nope'], ['example', 'file']]) {
      expect((await run(...argv)).code).toBe(2);
    }
  });
});
