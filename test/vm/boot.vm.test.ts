// The test VM itself: it boots, loads a module compiled outside, and leaves nothing behind.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileInImage } from './compile.js';
import { type Image, needImage } from './image.js';
import { runNatively, startNatively } from './native.js';
import { runTool } from './tool.js';
import { bootVm, type Vm } from './vm.js';

const ECHO_PORT = 7007;

let image: Image;
let vm: Vm;
let scratch: string;

beforeAll(async () => {
  image = await needImage();
  scratch = await mkdtemp(join(tmpdir(), 'perftrawl-boot-'));
  vm = await bootVm({ image, forward: [ECHO_PORT] });
});

afterAll(async () => {
  await vm?.stop();
  await rm(scratch, { recursive: true, force: true });
});

describe('the test VM', () => {
  it('runs the kernel that the image has headers and debuginfo for, with kprobes and loadable modules', async () => {
    expect((await vm.need(['uname', '-r'])).trim()).toBe(image.release);
    expect(await vm.need(['cat', '/proc/sys/kernel/modules_disabled'])).toBe('0\n');
    expect(await vm.need(['cat', '/sys/kernel/debug/kprobes/enabled'])).toBe('1\n');
  });

  it('gives status, stdout, stderr and stdin of a program, whatever its arguments hold', async () => {
    const odd = ["it's", '$HOME', '`id`', 'a  b', '', '*', 'new\nline', '"', '\\'];
    expect(await vm.need(['printf', '%s|', ...odd])).toBe(`${odd.join('|')}|`);
    const argv = ['bash', '-c', 'cat; echo oops >&2; exit 7'];
    expect(await vm.run(argv, { stdin: Buffer.from('in') })).toEqual({ status: 7, stdout: 'in', stderr: 'oops\n' });
  });

  it('ends a program that takes too long, and says which', async () => {
    await expect(vm.run(['sleep', '61.5'], { timeout: 1000 })).rejects.toThrow(
      /sleep 61\.5 took more than 1 s in the VM/,
    );
    expect((await vm.run(['pgrep', '-f', '^sleep 61.5'])).status).toBe(1);
  });

  it('takes and gives files', async () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 251));
    await writeFile(join(scratch, 'a'), bytes);
    await vm.put(join(scratch, 'a'), '/root/some/where/b');
    await vm.get('/root/some/where/b', scratch);
    expect(Buffer.compare(await readFile(join(scratch, 'b')), bytes)).toBe(0);
  });

  it('is reached on its forwarded ports', async () => {
    const source = `require('net').createServer((c) => c.pipe(c)).listen(${ECHO_PORT}, '0.0.0.0', () => console.log('up'))`;
    const server = vm.start(['node', '-e', source]);
    await new Promise((resolve, reject) => server.on('close', reject).stdout?.once('data', resolve));
    const socket = connect(vm.port(ECHO_PORT), '127.0.0.1').on('connect', () => socket.write('ping'));
    const answer = await new Promise((resolve, reject) => socket.on('error', reject).once('data', resolve));
    expect(String(answer)).toBe('ping');
    socket.destroy();
    await vm.need(['pkill', '-f', '^node -e require']);
  });

  it('loads a SystemTap module compiled outside, which measures a real process and is gone afterwards', async () => {
    const module = await compileInImage(
      image,
      'boot_faults',
      `global n
       probe kprobe.function("handle_mm_fault") { if (pid() == target()) n <<< 1 }
       probe timer.s(2) { printf("faults of %d: %d\\n", target(), @count(n)); exit() }`,
    );
    await vm.put(module, '/root/boot_faults.ko');
    await rm(dirname(module), { recursive: true });
    const workload = vm.start(['touch-pages', '256', '20000']);
    const ready = await new Promise((resolve, reject) => workload.on('close', reject).stdout?.once('data', resolve));
    const pid = /^ready (\d+)\n$/.exec(String(ready))?.[1] ?? '';
    const { status, stdout, stderr } = await vm.run(['staprun', '-x', pid, '/root/boot_faults.ko']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [, target, faults] = /^faults of (\d+): (\d+)\n$/.exec(stdout) ?? [];
    expect(target).toBe(pid);
    expect(Number(faults)).toBeGreaterThan(256);
    expect(await vm.need(['cat', '/proc/modules'])).not.toContain('boot_faults');
    await vm.need(['kill', pid]);
  });
});

describe('a native program in the image', () => {
  it('sees the image, not this machine, and its changes are forgotten', async () => {
    const look = 'cat /etc/hostname; ls /usr/lib/modules; touch /root/mark; ls /root/mark';
    const { status, stdout } = await runNatively(image.root, ['sh', '-c', look]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: `vm\n${image.release}\n/root/mark\n` });
    expect((await runNatively(image.root, ['ls', '/root/mark'])).status).toBe(2);
  });

  it('shares the directories that it is given', async () => {
    await runNatively(image.root, ['sh', '-c', 'echo hello > /shared/from-inside'], {
      binds: [{ from: scratch, to: '/shared' }],
    });
    expect(await readFile(join(scratch, 'from-inside'), 'utf8')).toBe('hello\n');
  });

  it('is gone with everything it started when it is stopped', async () => {
    const binds = [{ from: scratch, to: '/shared' }];
    const script = 'sleep 1000.4711 & echo started; wait';
    const { child, stop } = await startNatively(image.root, ['sh', '-c', script], binds);
    await new Promise((resolve, reject) => child.on('close', reject).stdout?.once('data', resolve));
    await stop();
    expect(child.signalCode).toBe('SIGKILL');
    await expect(runTool('pgrep', ['-f', '^sleep 1000.4711'], { timeout: 10_000 })).resolves.toMatchObject({
      status: 1,
    });
  });

  it('tells what stap says about a script that does not compile', async () => {
    await expect(compileInImage(image, 'broken', 'probe timer.s(1) { oops( }')).rejects.toThrow(/parse error/);
  });
});
