// The fleet of docker-compose.yml on an engine of our own: docker-compose and the commands that its users type.

import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { needTool, runTool, type ToolResult } from '../vm/tool.js';
import type { BaseImages } from './base-images.js';
import type { ContainerEngine } from './container-engine.js';

/** What `docker inspect` says of a container, as far as it is looked at. */
export interface Container {
  readonly Id: string;
  readonly Name: string;
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly ExitCode: number;
    readonly Pid: number;
    readonly Health?: { readonly Status: string; readonly Log: readonly { readonly Output: string }[] | null };
  };
  readonly Config: { readonly Env: readonly string[]; readonly Cmd: readonly string[] | null };
  readonly RestartCount: number;
}

const PROJECT = 'perftrawl-test';
const COMMAND_TIMEOUT = 90_000;
const BUILD_TIMEOUT = 900_000;
const CHECK_EVERY = 500;

export const root = fileURLToPath(new URL('../..', import.meta.url));

export class ComposeFleet {
  readonly #engine: ContainerEngine;
  readonly #environment: NodeJS.ProcessEnv;

  constructor(engine: ContainerEngine, { base, node }: BaseImages) {
    this.#engine = engine;
    this.#environment = {
      ...engine.environment,
      COMPOSE_PROJECT_NAME: PROJECT,
      BASE_IMAGE: base,
      NODE_IMAGE: node,
      // How busy this machine is, other tests look at.
      PERFTRAWL_ADMISSION: 'off',
    };
  }

  /** stdout of `docker-compose …`. @throws Error when it fails */
  compose(args: readonly string[], timeout = COMMAND_TIMEOUT): Promise<string> {
    return needTool('docker-compose', ['--ansi=never', ...args], { timeout, cwd: root, env: this.#environment });
  }

  /** The one command of the README. */
  async up(): Promise<void> {
    await this.compose(['up', '--build', '-d'], BUILD_TIMEOUT);
  }

  /** The images are there. */
  async upAgain(): Promise<void> {
    await this.compose(['up', '--no-build', '-d'], BUILD_TIMEOUT);
  }

  /** What docker-compose calls a volume of docker-compose.yml. */
  volume(name: string): string {
    return `${PROJECT}_${name}`;
  }

  /** Typed by somebody with access to the machine of the containers. */
  perftrawl(service: string, ...args: string[]): Promise<ToolResult> {
    return runTool('docker-compose', ['exec', '-T', service, 'perftrawl', ...args], {
      timeout: COMMAND_TIMEOUT,
      cwd: root,
      env: this.#environment,
    });
  }

  /** @throws Error when the command fails */
  async json<T>(service: string, ...args: string[]): Promise<T> {
    const { status, stdout, stderr } = await this.perftrawl(service, '--json', ...args);
    if (status !== 0)
      throw new Error(`perftrawl ${args.join(' ')} on ${service} ended with ${status}\n${stderr}${stdout}`);
    return JSON.parse(stdout) as T;
  }

  /** Those of one service, or all; by service. */
  async containers(): Promise<ReadonlyMap<string, Container>> {
    const ids = (await this.#engine.docker(['ps', '--all', '--quiet', '--no-trunc'])).split('\n').filter(Boolean);
    if (ids.length === 0) return new Map();
    const found = JSON.parse(await this.#engine.docker(['inspect', ...ids])) as Container[];
    return new Map(found.map((container) => [serviceOf(container), container]));
  }

  async container(service: string): Promise<Container> {
    const found = (await this.containers()).get(service);
    if (found === undefined) throw new Error(`there is no container of ${service}`);
    return found;
  }

  /** @throws Error with the log of the service when that takes too long */
  async healthy(service: string, within = COMMAND_TIMEOUT): Promise<void> {
    const isHealthy = async () => (await this.container(service)).State.Health?.Status === 'healthy';
    if (await happens(isHealthy, within)) return;
    const log = await this.compose(['logs', '--no-color', '--tail=40', service]);
    throw new Error(`${service} is not healthy after ${within / 1000} s\n${log}`);
  }
}

/** Whether it comes true within so many milliseconds. */
export async function happens(condition: () => Promise<boolean>, within = COMMAND_TIMEOUT): Promise<boolean> {
  for (const end = Date.now() + within; ; await pause(CHECK_EVERY)) {
    if (await condition()) return true;
    if (Date.now() > end) return false;
  }
}

/** Names are `/PROJECT_SERVICE_1`. */
function serviceOf({ Name }: Container): string {
  return Name.replace(`/${PROJECT}_`, '').replace(/_1$/, '');
}
