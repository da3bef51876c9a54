// enroll-token, ca revoke and the enrolled hosts of `hosts`, with the fake app.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Host } from '../../../controller/api.js';
import { FakeApp, run } from './fake-app.js';

let app: FakeApp;

beforeEach(() => {
  app = new FakeApp();
});

describe('enroll-token', () => {
  it('asks for what was said, and prints the token alone on stdout', async () => {
    const argv = [
      'enroll-token',
      '--labels',
      'role=db,region=eu',
      '--ttl',
      '1d',
      '--uses',
      '50',
      '--name-pattern',
      'db*',
    ];
    const { code, stdout, stderr } = await run([...argv, '--days', '2', '--replace'], { app });
    expect([code, stdout]).toEqual([0, 'pte.token\n']);
    expect(stderr).toContain('shown this once');
    expect(JSON.parse(app.calls[0]?.slice('token '.length) ?? '')).toEqual({
      ...{ labels: { role: 'db', region: 'eu' }, namePattern: 'db*', ttl: 86_400_000, uses: 50 },
      ...{ certificateLife: 2 * 86_400_000, mayReplace: true },
    });
  });

  it('lists tokens with what is left of them', async () => {
    expect((await run(['enroll-token', 'ls'], { app })).stdout).toMatch(
      /0123456789abcdef +2 of 50 +db\* +role=db +good until /,
    );
  });

  it.each([
    [['--labels', 'role'], "'role' is no label"],
    [['--labels', 'a=b=c'], "'a=b=c' is no label"],
    [['--ttl', '1y'], '--ttl'],
    [['--ttl', '0s'], '--ttl'],
    [['--uses', '0'], '--uses'],
    [['--days', 'x'], '--days'],
  ])('refuses %j', async (flags, message) => {
    const { code, stderr } = await run(['enroll-token', ...flags], { app });
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('ca', () => {
  it('revokes, and lists what was revoked for agents that listen', async () => {
    expect((await run(['ca', 'revoke', 'db7'], { app })).stdout).toMatch(/^db7 {2}dial-in-agent {2}revoked {2}until /);
    expect((await run(['ca', 'revoked'], { app })).stdout).toBe('c0ffee # dial-in-agent db1\n');
    expect((await run(['ca', 'ls'], { app })).stdout.split('\n')).toHaveLength(3);
  });
});

describe('hosts', () => {
  it('shows where and when a host that dials in was seen', async () => {
    const dialIn: Host = { name: 'db1', labels: { role: 'db' }, address: { transport: 'dial-in' } };
    app.inventory = [dialIn, { ...dialIn, name: 'db2' }];
    const { stdout } = await run(['hosts'], { app });
    expect(stdout).toMatch(/db1 +dial-in +10\.0\.0\.7 at 2023-11-14 22:13:20 UTC +role=db/);
    expect(stdout).toMatch(/db2 +dial-in +not seen yet/);
    const { hosts } = JSON.parse((await run(['hosts', '--json'], { app })).stdout);
    expect(hosts[0].enrolled.address).toBe('10.0.0.7');
  });

  it('forgets one', async () => {
    expect((await run(['hosts', 'forget', 'db1'], { app })).stdout).toBe('forgot db1; its certificates are revoked\n');
  });
});
