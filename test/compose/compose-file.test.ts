// docker-compose.yml and the Dockerfiles keep their promises: few rights, no secrets, pinned versions, bounds, health. Without an engine.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runTool } from '../vm/tool.js';

interface Service {
  readonly image: string;
  readonly build: {
    readonly dockerfile: string;
    readonly target?: string;
    readonly args: Readonly<Record<string, string>>;
  };
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly restart?: string;
  readonly pid?: string;
  readonly network_mode?: string;
  readonly networks?: readonly string[];
  readonly [other: string]: unknown;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const text = read('docker-compose.yml');
const file = parse(text, { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
};
const services = Object.entries(file.services);
const steps = ['setup', 'tokens'];
const agents = ['agent-1', 'agent-2', 'agent-3'];
const controllers = ['controller-1', 'controller-2'];
const dockerfiles = readdirSync(join(root, 'docker')).filter((name) => name.endsWith('.Dockerfile'));
const { version } = JSON.parse(read('package.json')) as { version: string };

/** Capabilities beyond none, by service. */
const CAPABILITIES: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(steps.map((name) => [name, ['CHOWN', 'DAC_OVERRIDE', 'FOWNER']])),
  ...Object.fromEntries(
    agents.map((name) => [name, [`\${PERFTRAWL_PERF_CAPABILITY:-SYS_ADMIN}`, 'SYSLOG', 'SYS_PTRACE', 'IPC_LOCK']]),
  ),
};

describe('docker-compose.yml', () => {
  it.each([
    ['as it is', {}],
    ['with the capability of newer kernels', { PERFTRAWL_PERF_CAPABILITY: 'PERFMON' }],
    [
      'with other base images',
      { BASE_IMAGE: 'mirror.example.net/debian:12', NODE_IMAGE: 'mirror.example.net/node:20' },
    ],
  ])('is taken by docker-compose %s', async (_, env) => {
    const options = { timeout: 60_000, cwd: root, env: { ...process.env, ...env } };
    const { status, stdout, stderr } = await runTool('docker-compose', ['-f', 'docker-compose.yml', 'config'], options);
    expect(status, stderr).toBe(0);
    for (const value of Object.values(env)) expect(stdout).toContain(value);
  });

  it('has PostgreSQL, two controllers, three agents, a workload, and two steps before them', () => {
    const expected = [...steps, 'postgres', ...controllers, ...agents, 'workload'];
    expect(Object.keys(file.services).sort()).toEqual(expected.sort());
  });

  it.each(services)('gives %s no more rights than it needs', (name, service) => {
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.cap_add ?? []).toEqual(CAPABILITIES[name] ?? []);
    expect(service.security_opt).toContain('no-new-privileges:true');
    expect(service.read_only).toBe(true);
    expect(service.privileged).toBeUndefined();
    expect(service.devices).toBeUndefined();
    expect(service.ipc).toBeUndefined();
    expect(service.network_mode).not.toBe('host');
    expect(service.pid).toBe(agents.includes(name) ? 'host' : undefined);
    expect(service.user).toBe(steps.includes(name) ? 'root' : undefined);
  });

  it.each(services)('bounds what %s takes and logs', (_, service) => {
    for (const bound of ['mem_limit', 'cpus', 'pids_limit']) expect(service[bound], bound).toBeDefined();
    expect(service.logging).toMatchObject({
      options: { 'max-size': expect.any(String), 'max-file': expect.any(String) },
    });
  });

  it.each(services)('says when %s is well, and what happens when it ends', (name, service) => {
    const isStep = steps.includes(name);
    expect(service.restart).toBe(isStep ? 'no' : 'unless-stopped');
    expect(service.healthcheck === undefined).toBe(isStep);
    if (!isStep) expect(service.healthcheck?.test[0]).toBe('CMD');
  });

  it('waits for what has to be there', () => {
    const conditions = Object.fromEntries(services.map(([name, { depends_on }]) => [name, depends_on]));
    const completed = { condition: 'service_completed_successfully' };
    const healthy = { condition: 'service_healthy' };
    expect(conditions.postgres).toEqual({ setup: completed });
    expect(conditions.tokens).toEqual({ postgres: healthy });
    for (const name of controllers) expect(conditions[name]).toEqual({ tokens: completed });
    for (const name of agents) expect(conditions[name]).toEqual({ 'controller-1': healthy, 'controller-2': healthy });
  });

  it('holds no secret, nor a place for one', () => {
    expect(text).not.toMatch(/ptu\.|pte\.|BEGIN |passw(or)?d[=:]/i);
    expect(text).not.toMatch(/:\/\/[^/\s@]*:[^/\s@]*@/);
    const names = services.flatMap(([, { environment = {} }]) => Object.keys(environment));
    const known = ['PERFTRAWL_STORE', 'PGPASSFILE', 'PERFTRAWL_CONFIG', 'PERFTRAWL_ADMISSION'];
    expect(names.filter((name) => !known.includes(name))).toEqual([]);
  });

  it('gives each secret to those who read it, and to be written to the steps alone', () => {
    const mounts = services.flatMap(([name, { volumes = [] }]) =>
      volumes.map((volume) => {
        const [source = '', , mode = 'rw'] = volume.split(':');
        return { name, source, mode };
      }),
    );
    const readers = (source: string) =>
      mounts.filter((mount) => mount.source === source && !steps.includes(mount.name));
    expect(readers('setup-secrets')).toEqual([]);
    expect(readers('controller-secrets').map(({ name }) => name)).toEqual(controllers);
    expect(readers('postgres-secrets').map(({ name }) => name)).toEqual(['postgres']);
    expect(readers('agent-secrets').map(({ name }) => name)).toEqual(agents);
    for (const { source, mode, name } of mounts) {
      if (source.endsWith('-secrets') && !steps.includes(name)) expect(mode, `${name}: ${source}`).toBe('ro');
    }
    // Nothing of the machine but what perf reads.
    const ofMachine = mounts.filter(({ source }) => !(source in file.volumes));
    expect(new Set(ofMachine.map(({ source, mode }) => `${source}:${mode}`))).toEqual(
      new Set(['/sys/kernel/tracing:ro']),
    );
  });

  it('lets nobody in but from this machine, and to the database but the controllers', () => {
    const ports = services.flatMap(([, service]) => service.ports ?? []);
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
    expect(file.networks.database?.internal).toBe(true);
    const onDatabase = services.filter(([, { networks = [] }]) => networks.includes('database')).map(([name]) => name);
    expect(onDatabase.sort()).toEqual(['postgres', 'tokens', ...controllers].sort());
  });

  it('has agents dial both controllers', () => {
    for (const name of agents) expect(file.services[name]?.command).toEqual(controllers.map((each) => `${each}:7452`));
  });

  it.each(services)('builds %s from this tree, tagged with its version', (_, { image, build }) => {
    expect(image).toMatch(new RegExp(`^perftrawl-[a-z]+:${version.replaceAll('.', '\\.')}$`));
    const dockerfile = read(build.dockerfile);
    if (build.target !== undefined) expect(dockerfile).toMatch(new RegExp(` AS ${build.target}$`, 'm'));
    const taken = [...dockerfile.matchAll(/^ARG (\w+)=(\S+)$/gm)].map(([, name, value]) => [
      name,
      `\${${name}:-${value}}`,
    ]);
    expect(build.args).toEqual(Object.fromEntries(taken));
  });
});

describe.each(dockerfiles)('docker/%s', (name) => {
  const lines = read(join('docker', name)).split('\n');

  it('starts from exact versions, or from what it has built', () => {
    const images = lines.flatMap((line) => /^ARG \w+_IMAGE=(\S+)$/.exec(line)?.[1] ?? []);
    expect(images.length).toBeGreaterThan(0);
    for (const image of images) expect(image).toMatch(/^[a-z]+:\d+\.\d+(\.\d+)?-[a-z]+$/);
    const stages = lines.flatMap((line) => / AS (\w+)$/.exec(line)?.[1] ?? []);
    const bases = lines.flatMap((line) => /^FROM (\S+)/.exec(line)?.[1] ?? []);
    expect(bases.filter((base) => !/^\$\{\w+_IMAGE\}$/.test(base) && !stages.includes(base))).toEqual([]);
  });

  it('fetches nothing but packages, and has no secret built in', () => {
    expect(lines.filter((line) => /^ADD |curl|wget|https?:/.test(line))).toEqual([]);
    expect(lines.filter((line) => /^(ARG|ENV) .*(PASSWORD|TOKEN|SECRET|KEY)/i.test(line))).toEqual([]);
  });
});

it('sends the engine what the images are built from, and nothing else', () => {
  const rules = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(rules[0]).toBe('*');
  expect(rules).not.toContain('!.git');
  expect(rules).not.toContain('!node_modules');
});
